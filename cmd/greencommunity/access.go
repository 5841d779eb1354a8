package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"greencommunity/dashboards/access"
)

// accessCmd makes what the section access of config.yaml keeps.
type accessCmd struct {
	Password accessPasswordCmd `cmd:"" help:"Read a password from the standard input, one line, and print its hash."`
	Key      accessKeyCmd      `cmd:"" help:"Make a key for a department's program, and print the lines that let it in."`
}

type accessPasswordCmd struct{}

func (accessPasswordCmd) Run(s streams) error {
	line, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	hash, err := access.HashPassword(strings.TrimRight(line, "\r\n"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, hash)
	return err
}

type accessKeyCmd struct {
	Name        string   `arg:"" help:"The department's name."`
	Scopes      []string `default:"read" help:"What it may: read, alarms, ledger, export, metrics."`
	Communities []string `help:"The only communities it sees; default: all."`
}

func (c accessKeyCmd) Run(s streams) error {
	key, hash := access.NewKey()
	where := ""
	if len(c.Communities) > 0 {
		where = ", communities: [" + strings.Join(c.Communities, ", ") + "]"
	}
	// Only the hash is kept: this is the one time the key is seen.
	_, err := fmt.Fprintf(s.out, "key, for the department, shown this once:\n  %s\nline of access.keys in config.yaml:\n  - {name: %q, hash: %s, scopes: [%s]%s}\n",
		key, c.Name, hash, strings.Join(c.Scopes, ", "), where)
	return err
}
