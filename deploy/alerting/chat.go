package alerting

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Spoken is a request to a robot as a person sees it.
type Spoken struct {
	Title, Text string
	Picture     string // in Base64
	Mentions    string
}

// Read reads a request to a robot of WeCom, DingTalk or Feishu.
func Read(body string) (s Spoken) {
	var m struct {
		Markdown struct{ Title, Content, Text string }
		Text     struct {
			Content string
			Ids     []string `json:"mentioned_list"`
			Phones  []string `json:"mentioned_mobile_list"`
		}
		Image struct{ Base64 string }
		At    struct{ AtMobiles, AtUserIds []string }
		Card  struct {
			Header   struct{ Title struct{ Content string } }
			Elements []struct{ Text struct{ Content string } }
		}
	}
	_ = json.Unmarshal([]byte(body), &m)
	s.Title, s.Picture = m.Card.Header.Title.Content, m.Image.Base64
	s.Text = m.Markdown.Content + m.Markdown.Text + m.Text.Content
	for _, e := range m.Card.Elements {
		s.Text += e.Text.Content
	}
	s.Mentions = strings.Join(append(append(m.Text.Ids, m.Text.Phones...), append(m.At.AtMobiles, m.At.AtUserIds...)...), " ")
	return s
}

// ChatPage is a chat with a robot as a phone shows it: the Markdown each program has, no more.
func ChatPage(kind string, bodies []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html><meta charset=utf-8><style>body{width:430px;margin:12px;font:15px/1.55 "Noto Sans CJK SC","Noto Serif CJK SC",sans-serif;background:#ebedf0}
.m{background:#fff;border-radius:8px;padding:10px 12px;margin:0 0 12px;overflow-wrap:anywhere}.m h3{font-size:17px;margin:0 0 6px}.h{margin:-10px -12px 8px;padding:8px 12px;border-radius:8px 8px 0 0;background:#fde2e2;font-weight:bold}
a{color:#2b6cb0}img{max-width:100%%}.at{color:#2b6cb0;font-size:13px}</style><p style="color:#888">%s</p>`, kind)
	bold := regexp.MustCompile(`\*\*([^*]+)\*\*`)
	link := regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	for _, body := range bodies {
		s := Read(body)
		b.WriteString(`<div class=m>`)
		if s.Title != "" {
			fmt.Fprintf(&b, `<div class=h>%s</div>`, html.EscapeString(s.Title))
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(s.Text, "  \n", "\n"), "\n") {
			text := html.EscapeString(strings.TrimSpace(line))
			text = regexp.MustCompile(`&lt;at id=([^&]+)&gt;&lt;/at&gt;`).ReplaceAllString(text, `<span class=at>@$1</span>`)
			text = link.ReplaceAllString(bold.ReplaceAllString(text, "<b>$1</b>"), `<a href="$2">$1</a>`)
			switch {
			case strings.HasPrefix(text, "### "):
				fmt.Fprintf(&b, "<h3>%s</h3>", text[4:])
			case text == "":
				b.WriteString("<div style=height:6px></div>")
			default:
				fmt.Fprintf(&b, "<div>%s</div>", text)
			}
		}
		if s.Picture != "" {
			if _, err := base64.StdEncoding.DecodeString(s.Picture); err == nil {
				fmt.Fprintf(&b, `<img src="data:image/png;base64,%s">`, s.Picture)
			}
		}
		if s.Mentions != "" {
			fmt.Fprintf(&b, `<div class=at>@%s</div>`, html.EscapeString(s.Mentions))
		}
		b.WriteString("</div>\n")
	}
	return []byte(b.String())
}
