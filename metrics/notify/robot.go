package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// Kinds of robot.
const (
	wecom    = "wecom"
	dingtalk = "dingtalk"
	feishu   = "feishu"
)

// What robots take: WeCom counts the bytes of the text, the others those of
// the whole request. The limits of the latter are documented as 20 KB.
const (
	wecomBytes = 4096
	bodyBytes  = 20000
)

const (
	attempts   = 3
	minBackoff = 500 * time.Millisecond
	// patience bounds an attempt to deliver; then Alertmanager repeats it.
	patience = 20 * time.Second
)

// errBusy marks an answer after which trying again makes sense.
var errBusy = errors.New("busy")

// message is what a robot is to say.
type message struct {
	title string
	text  string // Markdown
	tone  tone
}

// tone is how a message looks.
type tone uint8

const (
	calm tone = iota
	resolved
	attention
	alarming
)

// robot sends messages to one chat group.
type robot struct {
	Robot
	client  *http.Client
	limiter *rate.Limiter
	now     func() time.Time
	backoff time.Duration
}

func newRobot(r Robot) *robot {
	// Burst and rate together never exceed PerMinute within a minute.
	burst := max(1, r.PerMinute/4)
	return &robot{
		Robot: r, now: time.Now, backoff: minBackoff,
		limiter: rate.NewLimiter(rate.Limit(float64(r.PerMinute-burst)/60), burst),
		client: &http.Client{
			Timeout: 10 * time.Second,
			// The address holds the key: it goes to nobody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// fits reports whether the robot takes a message of this size.
func (r *robot) fits(m message) bool {
	if r.Kind == wecom {
		return len(m.text) <= wecomBytes
	}
	_, body := r.request(m)
	return len(body) <= bodyBytes
}

// object is a JSON object.
type object = map[string]any

// request is address and body of a message, signed where there is a secret.
//
// DingTalk wants timestamp (ms) and signature in the address: the HMAC-SHA256
// of "timestamp\nsecret" under the secret. Feishu wants them in the body: the
// HMAC-SHA256 of nothing under "timestamp\nsecret", the timestamp in s. Both
// are in Base64.
func (r *robot) request(m message) (address string, body []byte) {
	address = r.URL.Reveal()
	var v object
	switch r.Kind {
	case wecom:
		v = object{"msgtype": "markdown", "markdown": object{"content": m.text}}
	case dingtalk:
		v = object{"msgtype": "markdown", "markdown": object{"title": m.title, "text": m.text}}
		if s := r.Secret.Reveal(); s != "" {
			stamp := strconv.FormatInt(r.now().UnixMilli(), 10)
			u, err := url.Parse(address)
			if err != nil {
				break // checked when the configuration was read
			}
			q := u.Query()
			q.Set("timestamp", stamp)
			q.Set("sign", signature(s, stamp+"\n"+s))
			u.RawQuery = q.Encode()
			address = u.String()
		}
	case feishu:
		v = object{"msg_type": "interactive", "card": object{
			"config":   object{"wide_screen_mode": true},
			"header":   object{"title": object{"tag": "plain_text", "content": m.title}, "template": [...]string{"blue", "green", "orange", "red"}[m.tone]},
			"elements": []object{{"tag": "div", "text": object{"tag": "lark_md", "content": m.text}}},
		}}
		if s := r.Secret.Reveal(); s != "" {
			stamp := strconv.FormatInt(r.now().Unix(), 10)
			v["timestamp"], v["sign"] = stamp, signature(stamp+"\n"+s, "")
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // < is a font's beginning, and three bytes instead of one
	_ = e.Encode(v)        // maps of strings can be encoded
	return address, bytes.TrimSpace(b.Bytes())
}

func signature(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// send delivers a message. An error that is errBusy may be gone later, any
// other will not go by itself. A message whose answer was lost is sent again:
// it may arrive twice, and never not at all.
func (r *robot) send(ctx context.Context, m message, retried func()) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	for i := range attempts {
		if i > 0 {
			retried()
			wait := r.backoff << (i - 1)
			select {
			case <-ctx.Done():
				return err
			case <-time.After(wait/2 + rand.N(wait)):
			}
		}
		if limit := r.limiter.Wait(ctx); limit != nil {
			return fmt.Errorf("%w: more than %d messages a minute", errBusy, r.PerMinute)
		}
		if err = r.post(ctx, m); !errors.Is(err, errBusy) {
			return err
		}
	}
	return err
}

func (r *robot) post(ctx context.Context, m message) error {
	address, body := r.request(m)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the robot's address is not one")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	answer, err := r.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // u itself shows the address, and with it the key
		}
		return fmt.Errorf("%w: %v", errBusy, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %v", errBusy, err)
	case answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500:
		return fmt.Errorf("%w: HTTP %d", errBusy, answer.StatusCode)
	case answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusBadRequest: // Feishu's 400 has a code
		return fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	return verdict(answer.StatusCode, data)
}

// verdict reads what a robot answered: 0 is well in errcode (WeCom, DingTalk)
// and in code (Feishu).
func verdict(status int, data []byte) error {
	var a struct {
		Errcode *int   `json:"errcode"`
		Errmsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	code, text := 0, ""
	switch err := json.Unmarshal(data, &a); {
	case err == nil && a.Errcode != nil:
		code, text = *a.Errcode, a.Errmsg
	case err == nil && a.Code != nil:
		code, text = *a.Code, a.Msg
	default: // something between the robot and us answered
		return fmt.Errorf("%w: HTTP %d without a code", errBusy, status)
	}
	switch code {
	case 0:
		return nil
	case -1, 45009, 130101, 11232: // busy (WeCom, DingTalk), too many messages (WeCom, DingTalk, Feishu)
		return fmt.Errorf("%w: code %d: %.200s", errBusy, code, text)
	}
	return fmt.Errorf("code %d: %.200s", code, text)
}
