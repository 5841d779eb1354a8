package pipeline_test

import (
	"flag"
	"os"
	"testing"
)

// Six tests run beside each other, unless the command line says otherwise:
// they mostly wait for acknowledgements, checkpoints and writes.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", "6")
	}
	os.Exit(m.Run())
}
