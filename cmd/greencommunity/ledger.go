package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"greencommunity/cmd/internal/serve"
	"greencommunity/metrics/ledger"
)

// ledgerCmd is the working ledger of the programme as a table, while the service runs and
// while it is stopped.
type ledgerCmd struct {
	Check    ledgerCheckCmd    `cmd:"" help:"Check a table (.xlsx or .csv) line by line, and show what importing it would change."`
	Import   ledgerImportCmd   `cmd:"" help:"Take over what a table has changed since it was exported."`
	Export   ledgerExportCmd   `cmd:"" help:"Write the ledger as a table: .xlsx or .csv by the file's name."`
	Template ledgerTemplateCmd `cmd:"" help:"Write the table of a ledger that holds nothing yet: the inventory's communities and the items."`
	Items    ledgerItemsCmd    `cmd:"" help:"Print the items of the standard as CSV, to put its wording in; see ledger.items in config.yaml."`
}

type ledgerConfig struct {
	Config string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
}

func (c *ledgerConfig) open() (*ledger.Ledger, *ledger.Standard, error) {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return nil, nil, err
	}
	return serve.OpenLedger(conf)
}

// read reads and checks a table. Its mistakes are printed one a line.
func (c *ledgerConfig) read(path string) (*ledger.Ledger, *ledger.Standard, *ledger.Form, error) {
	l, s, err := c.open()
	if err != nil {
		return nil, nil, nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, nil, err
	}
	form, err := s.Read(data)
	if err != nil {
		return nil, nil, nil, mistakes(path, err)
	}
	return l, s, form, nil
}

// mistakes names the file and counts them.
func mistakes(path string, err error) error {
	var list ledger.Problems
	if !errors.As(err, &list) {
		return err
	}
	return fmt.Errorf("%s: %d mistakes, nothing is taken · %[2]d 处错误，未导入任何内容\n%w", path, len(list), err)
}

type ledgerCheckCmd struct {
	ledgerConfig
	File     string `arg:"" help:"The table."`
	TakeFile bool   `help:"Where somebody else has changed the same value since the export, take the table's."`
}

func (c *ledgerCheckCmd) Run(s streams) error {
	l, standard, form, err := c.read(c.File)
	if err != nil {
		return err
	}
	edits, err := l.Preview(ledger.Author{}, form, standard, c.TakeFile)
	if err != nil {
		return mistakes(c.File, err)
	}
	printEdits(s.out, edits)
	fmt.Fprintf(s.out, "%d rows without mistakes; importing them changes %d values · %[1]d 行无误，导入将更改 %[2]d 项\n", form.Rows, len(edits))
	return nil
}

func printEdits(out io.Writer, edits []ledger.Edit) {
	for _, e := range edits {
		where := string(e.Community)
		if e.Item != "" {
			where += " item " + e.Item
		}
		if e.Compound != "" {
			where += " " + e.Compound
		}
		fmt.Fprintf(out, "%s %s: %q -> %q\n", where, e.Column, e.From, e.To)
	}
}

type ledgerImportCmd struct {
	ledgerConfig
	File     string `arg:"" help:"The table."`
	Who      string `help:"Who imports it, for the history; default: the user of this machine." placeholder:"NAME"`
	TakeFile bool   `help:"Where somebody else has changed the same value since the export, take the table's."`
}

func (c *ledgerImportCmd) Run(s streams) error {
	l, standard, form, err := c.read(c.File)
	if err != nil {
		return err
	}
	if c.Who == "" {
		u, err := user.Current()
		if err != nil {
			return fmt.Errorf("who imports it is not known; give --who: %w", err)
		}
		c.Who = u.Username
	}
	b, err := l.Import(ledger.Author{Who: c.Who, Via: "command"}, form, standard, c.TakeFile)
	if err != nil {
		return mistakes(c.File, err)
	}
	printEdits(s.out, b.Edits)
	fmt.Fprintf(s.out, "%d values changed, revision %d · 已更改 %[1]d 项，修订 %[2]d\n", len(b.Edits), b.Revision)
	return nil
}

type ledgerExportCmd struct {
	ledgerConfig
	File string `arg:"" help:"File to write, .xlsx or .csv."`
}

func (c *ledgerExportCmd) Run(s streams) error {
	l, standard, err := c.open()
	if err != nil {
		return err
	}
	return writeTable(s, l, standard, c.File)
}

type ledgerTemplateCmd struct {
	ledgerConfig
	File string `arg:"" help:"File to write, .xlsx or .csv."`
}

func (c *ledgerTemplateCmd) Run(s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	_, standard, err := serve.OpenLedger(conf)
	if err != nil {
		return err
	}
	return writeTable(s, ledger.Empty(), standard, c.File)
}

// writeTable writes the table; a file that is there stays whole until there is another.
func writeTable(s streams, l *ledger.Ledger, standard *ledger.Standard, path string) error {
	write := ledger.WriteXLSX
	switch strings.ToLower(filepath.Ext(path)) {
	case ".xlsx":
	case ".csv":
		write = ledger.WriteCSV
	default:
		return fmt.Errorf("%q is neither .xlsx nor .csv", path)
	}
	v, err := l.View(standard, nil)
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f, v.Table()), f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: %d communities, revision %d · %[2]d 个社区，修订 %[3]d\n", path, len(v.Communities), v.Revision)
	return nil
}

type ledgerItemsCmd struct{}

func (c *ledgerItemsCmd) Run(s streams) error {
	_, err := io.WriteString(s.out, ledger.DefaultItemsFile())
	return err
}
