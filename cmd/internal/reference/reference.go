// Package reference holds the reference of config.yaml, inventory.yaml, notify.yaml and
// roster.yaml: each key with its comment and its default. `go generate` makes the files
// from the structs that read them, so that a key cannot be read without standing here;
// the test makes them again and compares.
package reference

import _ "embed"

//go:generate go run ./generate

// Config is config.yaml with every key. It is valid once what is required is
// filled in, and then says nothing but the defaults.
//
//go:embed config.yaml
var Config string

// Inventory is inventory.yaml with every key, each list with one element.
//
//go:embed inventory.yaml
var Inventory string

// Notify is notify.yaml with every key.
//
//go:embed notify.yaml
var Notify string

// Roster is roster.yaml with every key, each list with one element.
//
//go:embed roster.yaml
var Roster string
