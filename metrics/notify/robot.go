package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/md5" // WeCom wants it of pictures
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// Kinds of robot.
const (
	wecom    = "wecom"
	dingtalk = "dingtalk"
	feishu   = "feishu"
	hook     = "webhook" // a program: see webhook.go
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
	maxBackoff = time.Minute
	// patience bounds how long a robot is waited for that says "slower":
	// DingTalk's stops for ten minutes. Then Alertmanager repeats the message.
	patience = 15 * time.Minute
	// maxWaiting bounds the messages that wait for one robot.
	maxWaiting = 500
)

// errBusy marks an answer after which trying again makes sense.
var errBusy = errors.New("busy")

// slower is an answer that asks for fewer messages. The message is well, and
// is delivered after the wait.
type slower struct {
	wait time.Duration // what the robot says; 0: nothing
	text string
}

func (e *slower) Error() string { return e.text }

func (e *slower) Unwrap() error { return errBusy }

// message holds what a robot is to say.
type message struct {
	title string
	text  string // Markdown
	tone  tone
	// mentions are people whose phones are to ring, as far as the robot can.
	mentions []Person
	picture  []byte // PNG; nil: none
}

// tone says how a message looks.
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
	// turn is held by the message that is being delivered: one after the other,
	// so that those behind one that waits do not overtake it.
	turn chan struct{}
	// flights joins a message with the same one that waits already: Alertmanager
	// has given up on that and says it again.
	flights singleflight.Group
	waiting atomic.Int32
	// Of a webhook: what failed in a row, until when it is left alone, and whether it wants
	// nothing any more. Of who tells it, one at a time.
	failures int
	until    time.Time
	gone     bool
	// unfollowed is told what hindered a mention or a picture; nil: nobody.
	unfollowed func(error)
}

func newRobot(r Robot) *robot {
	// Burst and rate together never exceed PerMinute within a minute.
	burst := max(1, r.PerMinute/4)
	return &robot{
		Robot: r, now: time.Now, backoff: minBackoff, turn: make(chan struct{}, 1),
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
		return len(m.text) <= wecomBytes // people are mentioned in a message of its own
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
		// Whom "at" names is mentioned where the text has "@" and the same: it is shown as
		// the name.
		text, phones, ids := m.text, []string{}, []string{}
		for i, p := range m.mentions {
			id := cmp.Or(p.DingTalk, p.Phone)
			if id == "" {
				continue
			}
			if i == 0 {
				text += "\n\n"
			}
			text += "@" + id + " "
			if p.DingTalk != "" {
				ids = append(ids, p.DingTalk)
			} else {
				phones = append(phones, p.Phone)
			}
		}
		// A line ends there with two blanks; by itself it goes on.
		text = strings.ReplaceAll(text, "\n", "  \n")
		v = object{"msgtype": "markdown", "markdown": object{"title": m.title, "text": text}}
		if len(phones)+len(ids) > 0 {
			v["at"] = object{"atMobiles": phones, "atUserIds": ids, "isAtAll": false}
		}
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
		text := strings.TrimPrefix(m.text, heading(m)+"\n\n") // the card has it above
		for _, p := range m.mentions {
			if p.Feishu != "" {
				text += " <at id=" + p.Feishu + "></at>"
			}
		}
		v = object{"msg_type": "interactive", "card": object{
			"config":   object{"wide_screen_mode": true},
			"header":   object{"title": object{"tag": "plain_text", "content": m.title}, "template": [...]string{"blue", "green", "orange", "red"}[m.tone]},
			"elements": []object{{"tag": "div", "text": object{"tag": "lark_md", "content": text}}},
		}}
		if s := r.Secret.Reveal(); s != "" {
			stamp := strconv.FormatInt(r.now().Unix(), 10)
			v["timestamp"], v["sign"] = stamp, signature(stamp+"\n"+s, "")
		}
	}
	return address, encoded(v)
}

func encoded(v object) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // < is a font's beginning, and three bytes instead of one
	_ = e.Encode(v)        // maps of strings can be encoded
	return bytes.TrimSpace(b.Bytes())
}

// pictureBytes is the largest picture WeCom takes, before Base64.
const pictureBytes = 2 << 20

// followers are the messages that go behind a message: of WeCom, whose Markdown mentions
// nobody by telephone and holds no picture, a text that mentions and a picture. DingTalk
// and Feishu show pictures from a public address or with an app's token only, which a
// robot of a group does not have: there the link leads to the picture.
func (r *robot) followers(m message) (bodies [][]byte) {
	if r.Kind != wecom {
		return nil
	}
	var ids, phones, called []string
	for _, p := range m.mentions {
		switch {
		case p.WeCom != "":
			ids = append(ids, p.WeCom)
		case p.Phone != "":
			phones = append(phones, p.Phone)
		default:
			continue
		}
		called = append(called, p.Name)
	}
	if len(called) > 0 {
		text := object{"content": "请" + strings.Join(called, "、") + "处理：" + m.title}
		if len(ids) > 0 {
			text["mentioned_list"] = ids
		}
		if len(phones) > 0 {
			text["mentioned_mobile_list"] = phones
		}
		bodies = append(bodies, encoded(object{"msgtype": "text", "text": text}))
	}
	if len(m.picture) > 0 && len(m.picture) <= pictureBytes {
		sum := md5.Sum(m.picture)
		bodies = append(bodies, encoded(object{"msgtype": "image", "image": object{
			"base64": base64.StdEncoding.EncodeToString(m.picture), "md5": hex.EncodeToString(sum[:]),
		}}))
	}
	return bodies
}

func signature(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// deliver delivers a message, after those that came before it. Where ctx ends
// before, because Alertmanager has given up, the message goes on waiting: what
// came and went meanwhile would never be told otherwise.
func (r *robot) deliver(ctx context.Context, m message, retried func()) error {
	result := r.flights.DoChan(m.title+"\n"+m.text, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return nil, r.send(ctx, m, retried)
	})
	select {
	case done := <-result:
		return done.Err
	case <-ctx.Done():
		return fmt.Errorf("%w: the robot asks to wait; the message does", errBusy)
	}
}

// send delivers a message. An error that is errBusy may be gone later, any
// other will not go by itself. A robot that says "slower" is waited for until
// ctx ends. A message whose answer was lost is sent again: it may arrive twice,
// and never not at all.
func (r *robot) send(ctx context.Context, m message, retried func()) error {
	if r.waiting.Add(1) > maxWaiting {
		r.waiting.Add(-1)
		return fmt.Errorf("%w: %d messages wait already", errBusy, maxWaiting)
	}
	defer r.waiting.Add(-1)
	select {
	case r.turn <- struct{}{}: // in the order of asking
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: those before it were not delivered either", errBusy)
	}
	failures, slow := 0, r.backoff
	for {
		if limit := r.limiter.Wait(ctx); limit != nil {
			return fmt.Errorf("%w: more than %d messages a minute", errBusy, r.PerMinute)
		}
		address, body := r.request(m)
		err := r.post(ctx, address, body)
		var wait time.Duration
		var s *slower
		switch {
		case errors.As(err, &s):
			wait = cmp.Or(s.wait, slow)
			slow = min(2*slow, maxBackoff)
		case errors.Is(err, errBusy):
			if failures++; failures == attempts {
				return err
			}
			wait = r.backoff << (failures - 1)
		default:
			if err == nil {
				r.follow(ctx, m)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait/2 + rand.N(wait/2+1) + wait/2):
		}
		retried()
	}
}

// follow sends what goes behind a message that was delivered. Each is tried twice: the
// message is complete without them, and repeating it for their sake would be worse.
func (r *robot) follow(ctx context.Context, m message) {
	for _, body := range r.followers(m) {
		for range 2 {
			if r.limiter.Wait(ctx) != nil {
				return
			}
			err := r.post(ctx, r.URL.Reveal(), body)
			if err == nil {
				break
			}
			if r.unfollowed != nil {
				r.unfollowed(err)
			}
			if !errors.Is(err, errBusy) {
				break
			}
		}
	}
}

func (r *robot) post(ctx context.Context, address string, body []byte) error {
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
	case answer.StatusCode >= 500:
		return fmt.Errorf("%w: HTTP %d", errBusy, answer.StatusCode)
	case answer.StatusCode == http.StatusTooManyRequests:
		return &slower{wait: waitOf(answer.Header), text: fmt.Sprintf("HTTP 429: %.200s", data)}
	case answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusBadRequest: // Feishu's 400 has a code
		return fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	err = verdict(answer.StatusCode, data)
	var s *slower
	if errors.As(err, &s) && s.wait == 0 {
		s.wait = waitOf(answer.Header)
	}
	return err
}

// waitOf returns how long a robot says to wait: in Retry-After, or as Feishu does.
// At most a few minutes: it is asked again then.
func waitOf(h http.Header) time.Duration {
	for _, name := range []string{"Retry-After", "X-Ogw-Ratelimit-Reset"} {
		if seconds, err := strconv.Atoi(h.Get(name)); err == nil && seconds > 0 {
			return min(time.Duration(seconds)*time.Second, 5*time.Minute)
		}
	}
	return 0
}

// verdict reads what a robot answered: 0 is well in errcode (WeCom, DingTalk)
// and in code (Feishu).
func verdict(status int, data []byte) error {
	var a struct {
		Errcode *int   `json:"errcode"`
		Errmsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
		Wait    int    `json:"wait"` // DingTalk, s
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
	said := fmt.Sprintf("code %d: %.200s", code, text)
	switch {
	case code == 0:
		return nil
	case slow[code], slowWords.MatchString(text):
		return &slower{wait: time.Duration(min(max(a.Wait, 0), 300)) * time.Second, text: said}
	case code == -1: // WeCom and DingTalk: busy
		return fmt.Errorf("%w: %s", errBusy, said)
	}
	return errors.New(said)
}

// slow is the codes by which robots ask for fewer messages.
//
//   - WeCom: 45009 too many in a minute, 45033 too many at a time.
//   - DingTalk: 130101 more than 20 a minute, which stops it for ten; 410100
//     too fast; 90030 the webhook's limit; 90018, 90002 the interface's.
//   - Feishu: 11232 too many, 99991400 the platform's limit. 9499 is "too many
//     request" and "Bad Request", so its words decide.
var slow = map[int]bool{45009: true, 45033: true, 130101: true, 410100: true, 90030: true, 90018: true, 90002: true, 11232: true, 99991400: true}

// slowWords recognises the same in codes that are not documented.
var slowWords = regexp.MustCompile(`(?i)too (many requests?|fast|frequent)|freq(uency)? (out of )?limit|rate limit|限流|过于频繁|频率限制`)
