package main

import (
	"fmt"

	"greencommunity/cmd/internal/reference"
)

type configCmd struct {
	Inventory bool `xor:"file" help:"Print the reference of inventory.yaml instead."`
	Notify    bool `xor:"file" help:"Print that of notify.yaml."`
	Roster    bool `xor:"file" help:"Print that of roster.yaml."`
}

func (c configCmd) Run(s streams) error {
	text := reference.Config
	switch {
	case c.Inventory:
		text = reference.Inventory
	case c.Notify:
		text = reference.Notify
	case c.Roster:
		text = reference.Roster
	}
	_, err := fmt.Fprint(s.out, text)
	return err
}
