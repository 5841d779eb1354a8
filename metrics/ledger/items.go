package ledger

import (
	"cmp"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"greencommunity/ingest"
)

// Item is an item of the standard that a community meets or does not.
type Item struct {
	ID    string      `json:"id"`
	Area  ingest.Text `json:"area"`
	Title ingest.Text `json:"title"`
	// Evidence lists what devices can say of it: kinds of facility.
	Evidence []ingest.FacilityKind `json:"evidence"`
}

//go:embed items.csv
var builtin string

// DefaultItems returns the sixteen items in five areas, in words of ours. A site puts
// the wording of its standard into a file of the same form.
func DefaultItems() []Item {
	items, err := parseItems(builtin)
	if err != nil {
		panic(err) // a defect of the build
	}
	return items
}

// DefaultItemsFile is the file the default items are read from, to begin with.
func DefaultItemsFile() string { return builtin }

// ReadItems reads a file of items: CSV with the columns item, area_zh, area_en,
// title_zh, title_en, evidence, in UTF-8 or as Excel writes it. Path "" gives the
// default items.
func ReadItems(path string) ([]Item, error) {
	if path == "" {
		return DefaultItems(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ledger.items: %w", err)
	}
	text, err := decodeText(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	items, err := parseItems(text)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	return items, nil
}

var itemColumns = []string{"item", "area_zh", "area_en", "title_zh", "title_en", "evidence"}

// evidenceKinds are the kinds of facility that Propose knows how to judge.
var evidenceKinds = []ingest.FacilityKind{ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate, "drainage", "noise", "parking", "fire"}

func parseItems(text string) ([]Item, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) < 2 {
		return nil, fmt.Errorf("no items: give a header %s and a line for each item", strings.Join(itemColumns, ","))
	}
	column := map[string]int{}
	for i, name := range records[0] {
		column[strings.TrimSpace(name)] = i
	}
	var problems []error
	for _, name := range itemColumns[:5] {
		if _, ok := column[name]; !ok {
			problems = append(problems, fmt.Errorf("line 1: column %s is missing; the header is %s", name, strings.Join(itemColumns, ",")))
		}
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	var items []Item
	for n, record := range records[1:] {
		get := func(name string) string {
			if i, ok := column[name]; ok && i < len(record) {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		wrong := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("line %d: %s", n+2, fmt.Sprintf(format, args...)))
		}
		item := Item{ID: get("item"), Area: ingest.Text{ZH: get("area_zh"), EN: cmp.Or(get("area_en"), get("area_zh"))}, Title: ingest.Text{ZH: get("title_zh"), EN: cmp.Or(get("title_en"), get("title_zh"))}}
		if number, err := strconv.Atoi(item.ID); err != nil || number < 1 || number > 999 {
			wrong("item %q is no number from 1 to 999", item.ID)
		}
		if slices.ContainsFunc(items, func(i Item) bool { return i.ID == item.ID }) {
			wrong("item %s is there twice; give each a number of its own", item.ID)
		}
		if item.Area.ZH == "" || item.Title.ZH == "" {
			wrong("area_zh and title_zh are missing")
		}
		for _, kind := range strings.FieldsFunc(get("evidence"), func(r rune) bool { return r == ';' || r == ' ' || r == '；' }) {
			if !slices.Contains(evidenceKinds, ingest.FacilityKind(kind)) {
				wrong("evidence %q is none of %v; leave it out where devices say nothing of the item", kind, evidenceKinds)
			}
			item.Evidence = append(item.Evidence, ingest.FacilityKind(kind))
		}
		items = append(items, item)
	}
	return items, errors.Join(problems...)
}
