// Command generate writes the reference of the configuration and of the
// inventory from the comments and defaults of the structs that read them.
package main

import (
	"fmt"
	"os"

	"greencommunity/cmd/internal/reference/render"
)

func main() {
	files, err := render.Files("../../..")
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}
