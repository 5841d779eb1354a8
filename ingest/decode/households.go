package decode

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest/format"
)

// Households replaces the household of a deposit by a number that is the same all day
// and another the next: how many take part can be counted, and who does cannot be
// followed. The number is a keyed hash. Its key is made at random each local day and
// written over the one before, so that nobody can find out later either.
// It is safe for concurrent use.
type Households struct {
	path string // of the key, "" to keep it in memory
	zone *time.Location
	now  func() time.Time

	mu  sync.Mutex // all that follows
	day string
	key []byte
}

// OpenHouseholds keeps the day's key in a data directory, so that a restart counts
// nobody twice.
func OpenHouseholds(dataDir string, zone *time.Location) *Households {
	return &Households{path: filepath.Join(dataDir, "households.key"), zone: zone, now: time.Now}
}

type householdKey struct{ Day, Key string }

// of returns the key of today.
func (h *Households) of() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	today := h.now().In(h.zone).Format(time.DateOnly)
	if h.day == today {
		return h.key
	}
	if h.day == "" && h.path != "" { // a restart
		var kept householdKey
		if data, err := os.ReadFile(h.path); err == nil && json.Unmarshal(data, &kept) == nil && kept.Day == today {
			if key, err := hex.DecodeString(kept.Key); err == nil && len(key) == sha256.Size {
				h.day, h.key = today, key
				return key
			}
		}
	}
	h.day, h.key = today, make([]byte, sha256.Size)
	_, _ = rand.Read(h.key) // never fails
	if h.path != "" {
		// Without the file a restart counts households of today twice, and nothing else.
		if data, err := json.Marshal(householdKey{today, hex.EncodeToString(h.key)}); err == nil && os.WriteFile(h.path+".new", data, 0o600) == nil {
			_ = os.Rename(h.path+".new", h.path)
		}
	}
	return h.key
}

// number returns what stands for a household. What is one already stays as it is.
func (h *Households) number(household string) string {
	if format.Household(household) {
		return household
	}
	mac := hmac.New(sha256.New, h.of())
	mac.Write([]byte(household))
	return format.HouseholdPrefix + hex.EncodeToString(mac.Sum(nil)[:8])
}

// cut replaces the households of a native payload. Without an h they are left out.
func (h *Households) cut(payload []byte) []byte {
	var parser fastjson.Parser
	root, err := parser.ParseBytes(payload)
	if err != nil {
		return []byte(format.Withheld) // refused as malformed, whatever it says
	}
	objects := []*fastjson.Value{root}
	if root.Type() == fastjson.TypeArray {
		objects = root.GetArray()
	}
	var arena fastjson.Arena
	changed := false
	for _, o := range objects {
		object, err := o.Object()
		if err != nil {
			continue
		}
		v := object.Get(format.HouseholdMember)
		if v == nil {
			continue
		}
		text := v.String()
		if v.Type() == fastjson.TypeString {
			text = string(v.GetStringBytes())
		}
		if format.Household(text) {
			continue
		}
		object.Del(format.HouseholdMember)
		for object.Get(format.HouseholdMember) != nil { // given twice
			object.Del(format.HouseholdMember)
		}
		if h != nil && text != "" && text != "null" {
			object.Set(format.HouseholdMember, arena.NewString(h.number(text)))
		}
		changed = true
	}
	if !changed {
		return payload
	}
	return root.MarshalTo(nil)
}
