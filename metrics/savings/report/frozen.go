package report

import (
	"slices"
	"strconv"

	"greencommunity/ingest"
	"greencommunity/metrics/savings"
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

// told holds what is stated of lamps against what they tell of themselves.
func (s *Source) told(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "附二之一", Title: "声明与灯具上报对照", Keys: 2, Note: "灯具自报开关（light_on）的日均燃点小时和燃亮比例，与基准、灯具清单的声明相比；差别超出声明的不确定度（至少 2%）时注明，说明节约量按声明计算有偏差，应改正声明或提高基准版本。",
		Head: head("天数", "日均盏数", "上报燃点小时", "声明燃点小时", "上报燃亮比例", "声明燃亮比例", "是否相符")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		t := b.Told
		if t == nil {
			return
		}
		share, verdict := "—", "相符"
		if t.StatedShare > 0 {
			share = percent(t.StatedShare)
		}
		if len(t.Warnings) > 0 {
			verdict = "不符"
		}
		hours := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
		section.Rows = append(section.Rows, append(s.key(names, item, b), strconv.Itoa(t.Days), strconv.FormatFloat(t.Lamps, 'f', 1, 64), hours(t.Hours), hours(t.StatedHours), percent(t.Share), share, verdict))
	})
	return section
}
