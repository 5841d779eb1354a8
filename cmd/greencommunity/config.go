package main

import (
	"fmt"

	"greencommunity/cmd/internal/reference"
)

type configCmd struct {
	Inventory bool `help:"Print the reference of inventory.yaml instead."`
}

func (c configCmd) Run(s streams) error {
	text := reference.Config
	if c.Inventory {
		text = reference.Inventory
	}
	_, err := fmt.Fprint(s.out, text)
	return err
}
