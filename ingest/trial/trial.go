// Package trial shows what a payload becomes, and keeps nothing of it. The decode command
// and the page where a vendor pastes a payload are both this.
package trial

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Trial says what stands in for an inventory: one source of one community. Only Format
// must be given.
type Trial struct {
	Format    string
	Inner     string            // format of what the envelope carries
	Codecs    map[string]string // files of decoders by device profile; "" is for all
	Device    string            // where neither topic nor payload name it
	Community string
	Facility  string // default is the kind that knows most of the fields
	Profile   string // device profile
}

// Best returns the worker of the kind of facility that understands most of the messages;
// of equals, the first. It has not seen them yet.
func (t Trial) Best(messages []*ingest.Message) (*decode.Worker, ingest.FacilityKind, error) {
	kinds := t.kinds()
	best, most := kinds[0], -1
	for _, kind := range kinds {
		w, err := t.worker(messages[0].Topic, kind)
		if err != nil {
			return nil, "", err
		}
		n := 0
		for _, m := range messages {
			r := w.Decode(m)
			n += len(r.Readings) + len(r.Events)
		}
		if n > most {
			best, most = kind, n
		}
	}
	w, err := t.worker(messages[0].Topic, best)
	return w, best, err
}

func (t Trial) worker(topic string, kind ingest.FacilityKind) (*decode.Worker, error) {
	inv, err := t.Inventory(topic, kind)
	if err != nil {
		return nil, err
	}
	return decode.NewWorker(inv, registry{inventory.NewRegistry(inv), t.Device}), nil
}

// kinds are the kinds of facility that are tried where no inventory says which.
func (t Trial) kinds() []ingest.FacilityKind {
	kinds := []ingest.FacilityKind{ingest.FacilityKind(t.Facility)}
	if t.Facility == "" {
		kinds = []ingest.FacilityKind{ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate}
		for _, k := range ingest.BuiltinFacilities().Kinds() {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		if k := format.Formats[t.Format].Facility; k != "" {
			kinds = append([]ingest.FacilityKind{k}, kinds...)
		}
	}
	return kinds
}

// registry gives a name to a device that has none.
type registry struct {
	*inventory.Registry
	device string
}

func (r registry) Resolve(src *inventory.Source, c *format.Captures, n inventory.Named) (*ingest.Device, uint32, *ingest.Refusal) {
	if n.Device == "" && c.Device == "" {
		n.Device = r.device
	}
	return r.Registry.Resolve(src, c, n)
}

// Inventory is an inventory of one community and one source, for trying out.
func (t Trial) Inventory(topic string, kind ingest.FacilityKind) (*inventory.Inventory, error) {
	format, ok := format.Formats[t.Format]
	if !ok {
		return nil, fmt.Errorf("format %q is unknown; decode --formats lists them", t.Format)
	}
	source := map[string]any{"format": t.Format, "topic": inventory.TemplateFor(format, topic), "community": t.Community, "facility": string(kind)}
	if t.Inner != "" {
		source["payload"] = t.Inner
	}
	if t.Profile != "" {
		source["profile"] = t.Profile
	}
	codecs := map[string]string{}
	for profile, file := range t.Codecs {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		codecs[profile] = path
	}
	if len(codecs) > 0 {
		source["codecs"] = codecs
	}
	text, err := yaml.Marshal(map[string]any{
		"communities": []any{map[string]any{"id": t.Community, "name": t.Community}},
		"vendors":     []any{map[string]any{"id": "vendor", "unknown_devices": "accept", "sources": []any{source}}},
	})
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return nil, err
	}
	return inventory.Parse(text, zone)
}

// Line is a line of output; which members it has says what it is.
type Line struct {
	Device     ingest.DeviceID     `json:"device,omitempty"`
	Community  ingest.CommunityID  `json:"community,omitempty"`
	Facility   ingest.FacilityKind `json:"facility,omitempty"`
	Channel    *string             `json:"channel,omitempty"`
	Quantity   string              `json:"quantity,omitempty"`
	Event      string              `json:"event,omitempty"`
	Field      string              `json:"field,omitempty"`
	Value      any                 `json:"value,omitempty"`
	Unit       string              `json:"unit,omitempty"`
	Active     *bool               `json:"active,omitempty"`
	Code       string              `json:"code,omitempty"`
	Time       string              `json:"time,omitempty"`
	TimeSource string              `json:"time_source,omitempty"`
	// TimeReplaced marks a time outside the bounds, for which the time
	// received stands in; TimeSent is what was sent.
	TimeReplaced bool          `json:"time_replaced,omitempty"`
	TimeSent     string        `json:"time_sent,omitempty"`
	Estimated    bool          `json:"estimated,omitempty"`
	Unmapped     bool          `json:"unmapped,omitempty"`
	Refused      ingest.Reason `json:"refused,omitempty"`  // a single value
	Rejected     ingest.Reason `json:"rejected,omitempty"` // the message
	Ignored      string        `json:"ignored,omitempty"`
	Detail       string        `json:"detail,omitempty"`
}

// Lines returns a line for each reading, event and refusal of a message.
func Lines(r *decode.Result) []Line {
	var lines []Line
	if r.Err != nil {
		lines = append(lines, Line{Rejected: r.Err.Reason, Detail: r.Err.Detail})
	}
	if r.Ignored != "" {
		return append(lines, Line{Ignored: r.Ignored})
	}
	for i := range r.Readings {
		v := &r.Readings[i]
		lines = append(lines, Line{
			Device: v.Device.ID, Community: v.Device.Community, Facility: v.Device.Facility, Channel: &v.Channel,
			Quantity: v.Quantity.Name, Value: v.Value, Unit: v.Quantity.Unit, Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(),
			TimeReplaced: v.TimeReplaced, Estimated: v.Estimated, TimeSent: timeSent(v.TimeReplaced, r.Written[i]),
		})
	}
	for i := range r.Events {
		v := &r.Events[i]
		lines = append(lines, Line{
			Device: v.Device.ID, Community: v.Device.Community, Facility: v.Device.Facility, Channel: &v.Channel,
			Event: v.Type, Active: &v.Active, Code: v.Code, Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(),
		})
	}
	for _, v := range r.Unmapped {
		l := Line{
			Device: ingest.DeviceID(v.Device), Field: v.Field, Value: v.Value, Unit: v.Unit, Unmapped: true,
			Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(), TimeReplaced: v.TimeReplaced,
			TimeSent: timeSent(v.TimeReplaced, v.Written),
		}
		if v.Channel != "" {
			l.Channel = &v.Channel
		}
		if v.IsText {
			l.Value = v.Text
		}
		lines = append(lines, l)
	}
	for _, v := range r.Refused {
		if r.Err != nil && v.Refusal == r.Err {
			continue // said already
		}
		lines = append(lines, Line{Device: ingest.DeviceID(v.Device), Field: v.Field, Refused: v.Reason, Detail: v.Detail})
	}
	return lines
}

func timeSent(replaced bool, written int64) string {
	if !replaced {
		return ""
	}
	return rfc3339(written)
}

func rfc3339(unixNano int64) string {
	return time.Unix(0, unixNano).UTC().Format("2006-01-02T15:04:05.000Z")
}

// Printable is a text without what a terminal would obey: names and details come from
// outside.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
