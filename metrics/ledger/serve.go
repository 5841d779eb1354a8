package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Person is who asks over HTTP.
type Person struct {
	Name     string
	Read     bool // may see the ledger
	Contacts bool // and the contacts in it
	Change   bool // may change the ledger
	// Sees reports whether a community is among theirs.
	Sees func(ingest.CommunityID) bool
}

// Options of a service.
type Options struct {
	DataDir string
	// Inventory returns the one in force, as its file has it.
	Inventory func() *inventory.Inventory
	// Propose looks at what devices say now, and returns what they give evidence of for an
	// item of a community, nil: nothing. Without it nothing is proposed.
	Propose func() func(ingest.CommunityID, Item) *Proposal
	// Person says who asks.
	Person func(*http.Request) Person
	Logger *slog.Logger
}

// Files name the table and the items: ledger.file and ledger.items of config.yaml.
type Files struct{ Table, Items string }

// FileState says what became of the table that was read last.
type FileState struct {
	Name     string    `json:"name"`
	Read     time.Time `json:"read"`
	Problems []Problem `json:"problems"` // none: it was taken over
}

// Service is the ledger behind HTTP and /metrics.
type Service struct {
	*Ledger
	o Options

	mu      sync.Mutex // all that follows
	items   []Item
	file    *FileState
	revised struct {
		from     *inventory.Inventory
		revision int
		to       *inventory.Inventory
	}
}

// New opens the ledger of a data directory. Nothing is read from a table yet: Reload
// does.
func New(o Options) (*Service, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := Open(o.DataDir)
	if err != nil {
		return nil, err
	}
	return &Service{Ledger: l, o: o, items: DefaultItems()}, nil
}

// Reload reads the items, and takes over the table if it is another than before. Where
// either has mistakes, neither is taken and the error lists them.
func (s *Service) Reload(files Files, inv *inventory.Inventory) error {
	items, err := ReadItems(files.Items)
	if err != nil {
		return err
	}
	state, err := s.readTable(files.Table, &Standard{Items: items, Inventory: inv, Now: time.Now()})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file = state; err != nil {
		return err
	}
	s.items = items
	return nil
}

func (s *Service) readTable(path string, standard *Standard) (*FileState, error) {
	if path == "" {
		return nil, nil
	}
	state := &FileState{Name: filepath.Base(path), Read: time.Now().UTC().Truncate(time.Second), Problems: []Problem{}}
	data, err := os.ReadFile(path)
	if err == nil {
		sum := sha256.Sum256(data)
		err = s.take(data, hex.EncodeToString(sum[:8]), standard)
	}
	if err == nil {
		return state, nil
	}
	if !errors.As(err, (*Problems)(&state.Problems)) {
		state.Problems = []Problem{{Text: text(err.Error(), err.Error())}}
	}
	return state, fmt.Errorf("%s:\n%w", path, err)
}

// take takes over the table of the configuration, once.
func (s *Service) take(data []byte, digest string, standard *Standard) error {
	before := s.lastFile()
	if before.Table == digest {
		return nil
	}
	form, err := standard.Read(data)
	if err != nil {
		return err
	}
	if form.Revision < 0 {
		form.Revision = cmp.Or(before.Revision, -1) // what it was when this file was read before
	}
	_, err = s.Import(Author{Who: "file", Via: "file", Table: digest}, form, standard, false)
	return err
}

// lastFile is the batch of the table that was read last.
func (l *Ledger) lastFile() Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.refresh() // whoever changes something is told
	for _, b := range slices.Backward(l.batches) {
		if b.Table != "" {
			return b
		}
	}
	return Batch{}
}

func (s *Service) standard() *Standard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Standard{Items: s.items, Inventory: s.o.Inventory(), Now: time.Now()}
}

// Inventory returns the inventory in force with the communities as the ledger has them.
func (s *Service) Inventory() *inventory.Inventory {
	inv, revision := s.o.Inventory(), s.Revision()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := &s.revised; r.from != inv || r.revision != revision {
		to, err := s.Revised(inv)
		if err != nil {
			s.o.Logger.Error("the ledger is not read; communities are as the inventory has them", "error", err)
		}
		r.from, r.revision, r.to = inv, revision, to
	}
	return s.revised.to
}

// Current is the ledger as it is shown.
func (s *Service) Current() (*View, error) {
	var propose func(ingest.CommunityID, Item) *Proposal
	if s.o.Propose != nil {
		propose = s.o.Propose()
	}
	v, err := s.View(s.standard(), propose)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.File = s.file
	return v, nil
}

// MaxBody is the largest table that is taken over HTTP, in bytes.
const MaxBody = 8 << 20

// answer is the JSON of GET /api/v1/ledger.
type answer struct {
	*View
	History []Batch `json:"history"` // the latest first
	Change  bool    `json:"may_change"`
}

// refusal is a problem document (RFC 9457) with the mistakes of a table.
type refusal struct {
	Title    string    `json:"title"`
	Status   int       `json:"status"`
	Problems []Problem `json:"problems,omitempty"`
}

// changed is the answer of a change.
type changed struct {
	Revision int    `json:"revision"`
	Edits    []Edit `json:"edits"`
	Checked  bool   `json:"checked"` // nothing was changed: it was to be checked only
}

// Routes are the handlers by pattern.
func (s *Service) Routes() map[string]http.Handler {
	return map[string]http.Handler{"GET /api/v1/ledger": http.HandlerFunc(s.get), "POST /api/v1/ledger": http.HandlerFunc(s.post)}
}

func reply(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	r := refusal{Title: err.Error(), Status: status}
	if errors.As(err, (*Problems)(&r.Problems)) {
		r.Title = fmt.Sprintf("nothing was changed: %d mistakes · 未作任何更改：%[1]d 处错误", len(r.Problems))
	}
	reply(w, status, "application/problem+json", r)
}

func (s *Service) get(w http.ResponseWriter, r *http.Request) {
	who := s.o.Person(r)
	if !who.Read {
		refuse(w, http.StatusForbidden, errors.New("the ledger is not shown to you · 您无权查看台账"))
		return
	}
	v, err := s.Current()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	history := s.History(ingest.CommunityID(r.URL.Query().Get("community")), 50)
	v.Communities = slices.DeleteFunc(v.Communities, func(c Community) bool { return !who.Sees(c.ID) })
	for i := range history {
		history[i].Edits = slices.DeleteFunc(slices.Clone(history[i].Edits), func(e Edit) bool {
			return !who.Sees(e.Community) || e.Column == "contact" && !who.Contacts
		})
	}
	history = slices.DeleteFunc(history, func(b Batch) bool { return len(b.Edits) == 0 })
	if !who.Contacts {
		for i := range v.Communities {
			v.Communities[i].Contact = ""
		}
	}
	format := r.URL.Query().Get("format")
	write, kind := WriteXLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	switch format {
	case "", "json":
		reply(w, http.StatusOK, "application/json", answer{v, history, who.Change})
		return
	case "csv":
		write, kind = WriteCSV, "text/csv; charset=utf-8"
	case "xlsx":
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("format %.20q is none of json, csv, xlsx", format))
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="ledger-%s.%s"`, time.Now().In(s.o.Inventory().Zone).Format("20060102"), format))
	if err := write(w, v.Table()); err != nil {
		s.o.Logger.Error("the ledger was not exported", "error", err)
	}
}

// post takes single changes as JSON, or a table as it is. A page of another site can
// send neither kind without being asked first.
func (s *Service) post(w http.ResponseWriter, r *http.Request) {
	who := s.o.Person(r)
	if !who.Change {
		refuse(w, http.StatusForbidden, errors.New("you may not change the ledger; log in as a clerk · 您无权更改台账，请以经办人身份登录"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf("larger than %d MiB: %w", MaxBody>>20, err))
		return
	}
	q := r.URL.Query()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	by, standard := Author{Who: who.Name, Via: "page", May: who.Sees}, s.standard()
	switch {
	case kind == "application/json":
		var request struct {
			Changes []Set `json:"changes"`
		}
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.DisallowUnknownFields()
		if err := d.Decode(&request); err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("not {\"changes\": [{\"community\": …, \"item\": …, \"status\": …}]}: %w", err))
			return
		}
		s.done(w)(s.Set(by, standard, request.Changes))
	case kind == "text/csv" || strings.HasPrefix(kind, "application/vnd."):
		form, err := standard.Read(body)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, err)
			return
		}
		take := q.Get("take") == "file"
		if q.Get("check") != "" {
			edits, err := s.Preview(by, form, standard, take)
			if err != nil {
				refuse(w, http.StatusUnprocessableEntity, err)
				return
			}
			reply(w, http.StatusOK, "application/json", changed{s.Revision(), edits, true})
			return
		}
		s.done(w)(s.Import(by, form, standard, take))
	default:
		refuse(w, http.StatusUnsupportedMediaType, fmt.Errorf("content type %.60q is none of application/json, text/csv and that of .xlsx", kind))
	}
}

// done answers a change.
func (s *Service) done(w http.ResponseWriter) func(Batch, error) {
	return func(b Batch, err error) {
		if err != nil {
			status := http.StatusUnprocessableEntity
			if !errors.As(err, new(Problems)) && strings.HasPrefix(err.Error(), "ledger:") {
				status = http.StatusInternalServerError
			}
			refuse(w, status, err)
			return
		}
		if b.Edits == nil {
			b.Edits = []Edit{}
		}
		reply(w, http.StatusOK, "application/json", changed{Revision: b.Revision, Edits: b.Edits})
	}
}

var (
	itemsDesc     = prometheus.NewDesc("greencommunity_ledger_items", "Items of the standard by what the ledger says of them: met, not_met, pending.", []string{"community", "status"}, nil)
	itemDesc      = prometheus.NewDesc("greencommunity_ledger_item_communities", "Communities by what the ledger says of an item: met, not_met, pending.", []string{"item", "status"}, nil)
	titleDesc     = prometheus.NewDesc("greencommunity_ledger_item_info", "An item of the standard, always 1.", []string{"item", "area", "title"}, nil)
	behindDesc    = prometheus.NewDesc("greencommunity_ledger_behind", "Whether a community is behind: it does not take part, or has items that are not met.", []string{"community"}, nil)
	renovatedDesc = prometheus.NewDesc("greencommunity_ledger_compounds_renovated", "Compounds of the ledger that were renovated, by year.", []string{"community", "year"}, nil)
	deadlineDesc  = prometheus.NewDesc("greencommunity_ledger_deadline_timestamp_seconds", "The end of the day by which is to be reported, unix seconds: quarter, october.", []string{"what"}, nil)
	changesDesc   = prometheus.NewDesc("greencommunity_ledger_changes_total", "Values of the ledger that were changed.", nil, nil)
	problemsDesc  = prometheus.NewDesc("greencommunity_ledger_file_problems", "Mistakes of the table that was read last; nothing of it is taken while there are any.", nil, nil)
)

// Describe is part of prometheus.Collector.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{itemsDesc, itemDesc, titleDesc, behindDesc, renovatedDesc, deadlineDesc, changesDesc, problemsDesc} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	standard := s.standard()
	v, err := s.View(standard, nil)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(itemsDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counts := map[string]map[string]int{}
	for _, item := range v.Items {
		gauge(titleDesc, 1, item.ID, item.Area.ZH, item.Title.ZH)
		counts[item.ID] = map[string]int{"met": 0, "not_met": 0, "pending": 0}
	}
	for _, c := range v.Communities {
		id := string(c.ID)
		gauge(itemsDesc, float64(c.Met), id, "met")
		gauge(itemsDesc, float64(c.NotMet), id, "not_met")
		gauge(itemsDesc, float64(c.Pending), id, "pending")
		behind := 0.0
		if c.Behind != "" {
			behind = 1
		}
		gauge(behindDesc, behind, id)
		years := map[int]int{}
		for _, k := range c.Compounds {
			if k.Renovated > 0 {
				years[k.Renovated]++
			}
		}
		for year, n := range years {
			gauge(renovatedDesc, float64(n), id, fmt.Sprint(year))
		}
		for _, state := range c.Items {
			counts[state.Item][state.Status]++
		}
	}
	for item, statuses := range counts {
		for status, n := range statuses {
			gauge(itemDesc, float64(n), item, status)
		}
	}
	for _, d := range v.Deadlines {
		gauge(deadlineDesc, float64(d.end.Unix()), d.What)
	}
	changes := 0
	for _, b := range s.History("", 0) {
		changes += len(b.Edits)
	}
	ch <- prometheus.MustNewConstMetric(changesDesc, prometheus.CounterValue, float64(changes))
	s.mu.Lock()
	defer s.mu.Unlock()
	wrong := 0
	if s.file != nil {
		wrong = len(s.file.Problems)
	}
	gauge(problemsDesc, float64(wrong))
}
