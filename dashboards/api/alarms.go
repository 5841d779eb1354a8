package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/metrics/alarms"
)

// Alarms gives the list of alarms as a table as well: what next answers as JSON, to whom
// and with what filters it is asked, is written as CSV or .xlsx where that is wanted.
func (a *API) Alarms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, err := format(r); err == nil && f == "json" {
			next.ServeHTTP(w, r)
			return
		}
		a.table(func(r *http.Request, _ access.Identity) (*table, error) {
			answer := &answered{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(answer, r)
			if answer.status != http.StatusOK {
				var said struct{ Title string }
				if json.Unmarshal(answer.body.Bytes(), &said) != nil || said.Title == "" {
					said.Title = http.StatusText(answer.status)
				}
				return nil, failure{answer.status, stringError(said.Title)}
			}
			var items []alarms.Item
			if err := json.Unmarshal(answer.body.Bytes(), &items); err != nil {
				return nil, err
			}
			return alarmTable(items, r.URL.Query().Get("lang") == "en"), nil
		}).ServeHTTP(w, r)
	})
}

type stringError string

func (e stringError) Error() string { return string(e) }

// answered is an answer that is kept.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(p []byte) (int, error) { return a.body.Write(p) }

// statusNames are those of alarms' statuses.
var statusNames = map[alarms.Status]ingest.Text{
	alarms.Unhandled: {ZH: "未确认", EN: "open"}, alarms.Acknowledged: {ZH: "已确认", EN: "acknowledged"}, alarms.Assigned: {ZH: "已派单", EN: "assigned"},
	alarms.InProgress: {ZH: "处理中", EN: "in progress"}, alarms.Cleared: {ZH: "已恢复", EN: "cleared"}, alarms.False: {ZH: "误报", EN: "false"},
}

var severityNames = map[string]ingest.Text{"critical": {ZH: "严重", EN: "critical"}, "warning": {ZH: "警告", EN: "warning"}, "info": {ZH: "提示", EN: "info"}}

func alarmTable(items []alarms.Item, english bool) *table {
	say := func(x ingest.Text) string {
		if english {
			return x.EN
		}
		return x.ZH
	}
	t := &table{name: ingest.Text{ZH: "告警", EN: "Alarms"}, columns: []column{
		{"id", ingest.Text{ZH: "编号", EN: "ID"}}, {"severity", ingest.Text{ZH: "程度", EN: "Severity"}}, {"title", ingest.Text{ZH: "告警", EN: "Alarm"}},
		{"community_name", ingest.Text{ZH: "社区", EN: "Community"}}, {"compound_name", ingest.Text{ZH: "小区", EN: "Compound"}}, {"device", ingest.Text{ZH: "设备编号", EN: "Device ID"}},
		{"device_name", ingest.Text{ZH: "设备", EN: "Device"}}, {"address", ingest.Text{ZH: "地址", EN: "Address"}}, {"vendor_name", ingest.Text{ZH: "厂商", EN: "Vendor"}},
		{"began", ingest.Text{ZH: "起始", EN: "Began"}}, {"told", ingest.Text{ZH: "告警时刻", EN: "Told"}}, {"closed", ingest.Text{ZH: "结束", EN: "Closed"}},
		{"value", ingest.Text{ZH: "数值", EN: "Value"}}, {"unit", ingest.Text{ZH: "单位", EN: "Unit"}}, {"size", ingest.Text{ZH: "每日损失", EN: "Loss a day"}},
		{"size_unit", ingest.Text{ZH: "损失单位", EN: "Unit of the loss"}}, {"cost_per_day", ingest.Text{ZH: "每日金额（元）", EN: "Yuan a day"}}, {"status", ingest.Text{ZH: "状态", EN: "Status"}},
		{"assignee", ingest.Text{ZH: "责任人", EN: "Assignee"}}, {"due", ingest.Text{ZH: "期限", EN: "Due"}}, {"reason", ingest.Text{ZH: "原因", EN: "Reason"}},
		{"why", ingest.Text{ZH: "说明", EN: "Why"}}, {"comments", ingest.Text{ZH: "备注", EN: "Comments"}},
	}}
	for i := range items {
		a := &items[i]
		var comments []string
		for _, c := range a.Comments {
			comments = append(comments, c.By+"："+c.Text)
		}
		t.rows = append(t.rows, []any{
			a.ID, say(severityNames[a.Severity]), say(a.Title), a.CommunityName, a.CompoundName, string(a.Device), a.Name, a.Address, a.VendorName,
			timeOf(&a.Began), timeOf(&a.Told), timeOf(a.Closed), number(a.Value), a.Unit, number(a.Size), a.SizeUnit, number(a.Cost), say(statusNames[a.Status]),
			a.Assignee, timeOf(a.Due), a.Reason, say(a.Why), strings.Join(comments, "; "),
		})
	}
	return t
}

func timeOf(at *time.Time) any {
	if at == nil || at.IsZero() {
		return nil
	}
	return *at
}

func number(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}
