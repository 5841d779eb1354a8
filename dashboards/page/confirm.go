package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/alarms"
)

// The page behind a signed link, for a phone: what is wrong and what to do about it, and
// buttons. It needs no login and no script. Looking changes nothing, since robots of
// chat programs look at links; a button sends a form to the very address, whose
// signature is what another site's page does not have.

var (
	//go:embed confirm.html
	confirmHTML string
	//go:embed confirm.css
	confirmCSS string

	confirmPage = template.Must(template.New("confirm").Parse(confirmHTML))
)

var confirmPolicy = func() string {
	sum := sha256.Sum256([]byte(confirmCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// words of the page in a language.
type words struct {
	Title, Silenced, Picture, Advice, Acknowledge, Progress, Assign, Assignee, Due, Comment, Send, Reason, Clear, False, Right, History string

	began, since, newest, peak, size, cost, sure, device, vendor, assignee, due, said, closed, foot, need, expired, forged, gone, a string
}

var chinese = words{
	Title: "告警处置", Silenced: "静默中", Picture: "近期曲线", Advice: "先做：", Acknowledge: "我已知晓，去确认", Progress: "正在处理",
	Assign: "派单", Assignee: "派给谁", Due: "完成期限", Comment: "备注", Send: "提交备注", Reason: "原因或处理结果（误报必填）",
	Clear: "已恢复，关闭", False: "误报，关闭", Right: "确实属实", History: "处置记录",
	began: "开始", since: "告警时间", newest: "最新值", peak: "最大值", size: "每天", cost: "每天费用", sure: "把握", device: "设备", vendor: "厂商",
	assignee: "负责人", due: "期限", said: "已记录：", closed: "该告警已关闭：", need: "没有记录：误报须填写原因，派单须填写派给谁，备注不能为空。", foot: "此链接仅供%s处理这一条告警，%s前有效，请勿转发。",
	expired: "链接已过期。请从最新的通知中打开，或登录平台处理。", forged: "链接无效或不完整。请从通知中直接点击打开。", gone: "没有这条告警，或记录已过保存期。", a: "元",
}

var english = words{
	Title: "Alarm", Silenced: "silenced", Picture: "the last days", Advice: "First:", Acknowledge: "I have seen it and look after it", Progress: "Being dealt with",
	Assign: "Assign", Assignee: "To whom", Due: "Until", Comment: "Comment", Send: "Send the comment", Reason: "Why, or what was done (required for a false alarm)",
	Clear: "It is well again: close", False: "False alarm: close", Right: "It was right", History: "History",
	began: "Began", since: "Alarm since", newest: "Newest value", peak: "Highest", size: "A day", cost: "Cost a day", sure: "How sure", device: "Device", vendor: "Vendor",
	assignee: "Assigned to", due: "Until", said: "Kept: ", closed: "This alarm is closed: ", need: "Nothing was kept: a false alarm needs a reason, an assignment a name, and a comment some text.", foot: "This link is for %s and this alarm alone, until %s. Do not pass it on.",
	expired: "The link has expired. Open a newer message, or log in.", forged: "The link is not valid or not whole. Open it from the message.", gone: "There is no such alarm, or it is not kept any more.", a: "yuan",
}

var severityWords = map[string]ingest.Text{"critical": {ZH: "紧急", EN: "Critical"}, "warning": {ZH: "一般", EN: "Warning"}, "info": {ZH: "提示", EN: "Info"}}

type confirmData struct {
	Lang, Severity, Status, Kind, Where, Why, Advice, Picture, Said, Refused, Trouble, Closed, Foot, Other string
	OtherLink                                                                                              template.URL
	Style                                                                                                  template.CSS
	T                                                                                                      words
	Item                                                                                                   alarms.Item
	Facts                                                                                                  [][2]string
	History                                                                                                []confirmEntry
}

type confirmEntry struct{ At, What, By, Text string }

// confirm is the page, and takes its forms.
func (p *Page) confirm(w http.ResponseWriter, r *http.Request) {
	security(w.Header())
	w.Header().Set("Content-Security-Policy", confirmPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	d := confirmData{Style: template.CSS(confirmCSS), Lang: language(r)}
	d.T = chinese
	if d.Lang == "en" {
		d.T = english
	}
	who, err := p.signed(r)
	if err != nil {
		d.Trouble = d.T.forged
		if errors.Is(err, alarms.ErrExpired) {
			d.Trouble = d.T.expired
		}
		answer(w, http.StatusForbidden, &d)
		return
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		err := p.confirmed(r, who)
		if err == nil {
			target := *r.URL
			q := target.Query()
			q.Set("done", "1")
			target.RawQuery = q.Encode()
			http.Redirect(w, r, target.String(), http.StatusSeeOther)
			return
		}
		d.Refused, status = err.Error(), statusOf(err)
		c := r.PostForm
		switch said := c.Get("status"); {
		case said == string(alarms.False) && strings.TrimSpace(c.Get("reason")) == "", said == string(alarms.Assigned) && strings.TrimSpace(c.Get("assignee")) == "",
			said == "" && strings.TrimSpace(c.Get("comment")) == "":
			d.Refused = d.T.need
		}
	}
	item, err := p.s.Desk.Get(r.Context(), r.PathValue("id"), time.Now())
	if err != nil {
		d.Trouble = d.T.gone
		answer(w, http.StatusNotFound, &d)
		return
	}
	p.fill(&d, &item, r, who)
	answer(w, status, &d)
}

// confirmed takes a form.
func (p *Page) confirmed(r *http.Request, who string) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	c := alarms.Change{Status: alarms.Status(r.PostForm.Get("status")), Assignee: r.PostForm.Get("assignee"), Comment: r.PostForm.Get("comment"),
		Reason: r.PostForm.Get("reason"), By: who, Via: "link"}
	if text := r.PostForm.Get("due"); text != "" {
		due, err := parseWhen(text, p.s.Inventory().Zone, true)
		if err != nil {
			return fmt.Errorf("due: %w", err)
		}
		c.Due = &due
	}
	_, err := p.apply(r, c)
	return err
}

func answer(w http.ResponseWriter, status int, d *confirmData) {
	var b bytes.Buffer
	if err := confirmPage.Execute(&b, d); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client has gone
}

// language is that of the address, else the browser's: Chinese unless it asks for English first.
func language(r *http.Request) string {
	switch r.URL.Query().Get("lang") {
	case "en":
		return "en"
	case "zh":
		return "zh"
	}
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en") {
		return "en"
	}
	return "zh"
}

// fill says what the page shows of an alarm.
func (p *Page) fill(d *confirmData, i *alarms.Item, r *http.Request, who string) {
	zone := p.s.Inventory().Zone
	say := func(t ingest.Text) string {
		if d.Lang == "en" {
			return t.EN
		}
		return t.ZH
	}
	at := func(t time.Time) string {
		if d.Lang == "en" {
			return t.In(zone).Format("Jan 2 15:04")
		}
		return t.In(zone).Format("1月2日 15:04")
	}
	d.Item = *i
	d.Severity, d.Status, d.Kind, d.Why, d.Advice = say(severityWords[i.Severity]), say(i.Status.Title()), say(i.Title), say(i.Why), say(i.Advice)
	d.Where = join(" ", i.CommunityName, i.CompoundName, i.Address, cmp.Or(i.Name, string(i.Device)))
	fact := func(name, text string) {
		if text != "" {
			d.Facts = append(d.Facts, [2]string{name, text})
		}
	}
	fact(d.T.device, string(i.Device))
	fact(d.T.vendor, i.VendorName)
	if i.Began.Before(i.Since) {
		fact(d.T.began, at(i.Began))
	}
	fact(d.T.since, at(i.Since))
	fact(d.T.newest, figure(i.Value, i.Unit))
	if i.Peak != nil && i.Value != nil && *i.Peak != *i.Value {
		fact(d.T.peak, figure(i.Peak, i.Unit))
	}
	fact(d.T.size, figure(i.Size, i.SizeUnit))
	if i.Cost != nil {
		fact(d.T.cost, figure(i.Cost, d.T.a))
	}
	fact(d.T.sure, sure(i, d.Lang))
	fact(d.T.assignee, i.Assignee)
	if i.Due != nil {
		fact(d.T.due, at(*i.Due))
	}
	if i.Done() {
		d.Closed = d.T.closed + d.Status
		if i.Reason != "" && i.Reason != alarms.Removed {
			d.Closed += "，" + i.Reason
		}
	}
	if r.URL.Query().Get("done") != "" {
		d.Said = d.T.said + d.Status
	}
	for _, e := range i.History {
		text := join(" ", e.Assignee, e.Reason, e.Comment)
		if e.Severity != "" {
			text = say(severityWords[e.Severity])
		}
		d.History = append(d.History, confirmEntry{at(e.At), say(e.What.Title()), e.By, text})
	}
	q := r.URL.Query()
	d.Picture = "/alarm/" + i.ID + "/picture.svg?" + url.Values{"who": q["who"], "until": q["until"], "sign": q["sign"]}.Encode()
	if seconds, err := strconv.ParseInt(q.Get("until"), 10, 64); err == nil {
		d.Foot = fmt.Sprintf(d.T.foot, who, at(time.Unix(seconds, 0)))
	}
	q.Del("done")
	other := "en"
	d.Other = "English"
	if d.Lang == "en" {
		other, d.Other = "zh", "中文"
	}
	q.Set("lang", other)
	d.OtherLink = template.URL("?" + q.Encode())
}

func join(between string, parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, between)
}

// shownUnits are units as people write them, and what a number is multiplied by.
var shownUnits = map[string]struct {
	by   float64
	unit string
}{"Cel": {1, "℃"}, "1": {1, ""}, "0/1": {1, ""}, "ratio": {100, "%"}, "": {1, ""}}

// figure is a number as people read it, with its unit; "" for none.
func figure(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	x, name := *v, unit
	switch shown, ok := shownUnits[unit]; {
	case ok:
		x, name = x*shown.by, shown.unit
	case unit == "s" && math.Abs(x) >= 7200:
		x, name = x/3600, "h"
	case unit == "L" && math.Abs(x) >= 10000:
		x, name = x/1000, "m³"
	}
	digits := 0
	switch a := math.Abs(x); {
	case a < 1:
		digits = 2
	case a < 100:
		digits = 1
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return strings.TrimSpace(text + " " + name)
}

// sure says how many of the kind were right.
func sure(i *alarms.Item, lang string) string {
	n := i.Judged.Right + i.Judged.Wrong
	if i.Confidence == nil {
		return ""
	}
	if lang == "en" {
		return fmt.Sprintf("of %d alarms of this kind that were looked into, %d were right", n, i.Judged.Right)
	}
	return fmt.Sprintf("同类告警核实过%d条，其中%d条属实", n, i.Judged.Right)
}
