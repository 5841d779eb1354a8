package pipeline

import (
	"encoding/json"

	"golang.org/x/time/rate"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// FeedbackTopic sets where a vendor reads what was refused and why.
const FeedbackTopic = "greencommunity/v1/feedback/"

// feedback tells vendors of refused messages, a bounded number a minute each.
// It is owned by the walker.
type feedback struct {
	perMinute int // 0: off
	publish   func(topic string, payload []byte)
	limits    map[ingest.VendorID]*rate.Limiter
}

func (f *feedback) tell(v *inventory.Vendor, m *ingest.Message, refusal *ingest.Refusal) {
	if f.perMinute == 0 || v.Feedback != nil && !*v.Feedback {
		return
	}
	limit := f.limits[v.ID]
	if limit == nil {
		limit = rate.NewLimiter(rate.Limit(float64(f.perMinute)/60), f.perMinute)
		f.limits[v.ID] = limit
	}
	if !limit.Allow() {
		return
	}
	text, err := json.Marshal(struct {
		Topic  string        `json:"topic"`
		Reason ingest.Reason `json:"reason"`
		Detail string        `json:"detail"`
	}{m.Topic, refusal.Reason, refusal.Detail})
	if err == nil {
		f.publish(FeedbackTopic+string(v.ID), text)
	}
}
