package report

import (
	"slices"
	"strconv"

	"greencommunity/ingest"
)

// Frozen says under which version and hash a report that was filed had a boundary's
// baseline.
type Frozen struct {
	Community ingest.CommunityID
	Boundary  string
	Version   int
	Hash      string
}

// What a later report reads back of the baselines, wherever these columns stand.
const (
	communityColumn = "社区编号"
	boundaryColumn  = "边界编号"
	versionColumn   = "版本"
	frozenColumn    = "摘要"
)

// frozenOf are the baselines of a report's rows.
func frozenOf(rows [][]string) []Frozen {
	var all []Frozen
	var head []string
	for _, row := range rows {
		if slices.Contains(row, frozenColumn) && slices.Contains(row, boundaryColumn) {
			head = row
			continue
		}
		if head == nil || len(row) != len(head) || row[0] != head[0] {
			continue
		}
		cell := func(column string) string {
			if i := slices.Index(head, column); i >= 0 {
				return row[i]
			}
			return ""
		}
		version, err := strconv.Atoi(cell(versionColumn))
		if hash := cell(frozenColumn); err == nil && hash != "" {
			all = append(all, Frozen{ingest.CommunityID(cell(communityColumn)), cell(boundaryColumn), version, hash})
		}
	}
	return all
}
