package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"greencommunity/ingest"
)

// quantitiesCmd prints what can be reported.
type quantitiesCmd struct {
	Units bool `help:"Print the units that convert, by dimension, instead."`
}

func (c *quantitiesCmd) Run(s streams) error {
	if c.Units {
		fmt.Fprintln(s.out, strings.Join(ingest.UnitNames(), "\n"))
		return nil
	}
	facilities := ingest.BuiltinFacilities()
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FACILITY\tQUANTITY\tUNIT\tKIND\tRANGE\t名称\tNAME")
	for _, kind := range facilities.Kinds() {
		for _, q := range facilities.Kind(kind).Sorted() {
			bounds := ""
			if q.Min != nil && q.Max != nil {
				bounds = fmt.Sprintf("%g … %g", *q.Min, *q.Max)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", kind, q.Name, q.Unit, q.Kind, bounds, q.Label.ZH, q.Label.EN)
		}
	}
	return w.Flush()
}
