package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/config"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/ledger"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/savings/report"
)

// Database returns what InfluxDB holds, as the configuration reaches it: its token and
// authorities are read now.
func Database(c *config.Config) (*history.Database, error) {
	token, err := c.InfluxDB.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("influxdb: %w", err)
	}
	db := &history.Database{URL: c.InfluxDB.URL, Bucket: c.InfluxDB.Bucket, Token: token}
	if c.InfluxDB.CAFile != "" {
		authorities, err := config.TLS{CAFile: c.InfluxDB.CAFile}.Config()
		if err != nil {
			return nil, fmt.Errorf("influxdb: %w", err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = authorities
		db.Client = &http.Client{Transport: transport}
	}
	return db, nil
}

// Report writes what InfluxDB holds of a period as a report. Communities are as the
// ledger has them; what comes next is read from the configuration's file, unless the
// order has it.
func Report(ctx context.Context, c *Settings, inv *inventory.Inventory, o report.Order) (*report.Report, error) {
	text, err := os.ReadFile(c.Config.Inventory)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	o.Digest = hex.EncodeToString(sum[:])
	if name := c.Savings.Report.NextSteps; name != "" && o.Next == "" {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(c.path), name)
		}
		next, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("savings.report.next_steps: %w", err)
		}
		o.Next = string(next)
	}
	if inv, err = standing(c, inv, &o); err != nil {
		return nil, err
	}
	db, err := Database(c.Config)
	if err != nil {
		return nil, err
	}
	source, err := report.Gather(ctx, db, inv, &c.Savings, o)
	if err != nil {
		return nil, err
	}
	return report.New(source), nil
}

// standing takes over what the ledger says of the communities, where there is one.
func standing(c *Settings, inv *inventory.Inventory, o *report.Order) (*inventory.Inventory, error) {
	l, standard, err := OpenLedger(c)
	if errors.Is(err, fs.ErrNotExist) {
		return inv, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if l.Revision() == 0 {
		return inv, nil
	}
	if inv, err = l.Revised(inv); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var view *ledger.View
	if view, err = l.View(standard, nil); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	o.Standing = map[ingest.CommunityID]report.Standing{}
	for _, of := range view.Communities {
		o.Standing[of.ID] = report.Standing{Met: of.Met, NotMet: of.NotMet, Pending: of.Pending}
	}
	return inv, nil
}

// reports answers GET /api/v1/report: ?quarter=2026Q3, or from and to, with format
// html, docx, xlsx or csv. One is made at a time: a county's quarter takes InfluxDB
// seconds, and whoever is impatient asks twice.
type reports struct {
	settings  atomic.Pointer[Settings] // as they were read last
	inventory func() *inventory.Inventory
	log       *slog.Logger
	busy      chan struct{}
}

func newReports(s *Service) *reports {
	h := &reports{inventory: func() *inventory.Inventory { return s.pipeline.Inventory() }, log: s.log, busy: make(chan struct{}, 1)}
	h.settings.Store(s.settings)
	return h
}

// reportTime bounds how long a report may take, the time it waits for others included: of
// a hundred thousand meters InfluxDB reads six quarters.
const reportTime = 15 * time.Minute

func (h *reports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	refuse := func(status int, err error) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"title": err.Error(), "status": status}) // the client has gone
	}
	query := r.URL.Query()
	inv := h.inventory()
	o, err := reportOrder(query, time.Now(), inv.Zone)
	format := query.Get("format")
	if format == "" {
		format = "html"
	}
	contentType, wrong := report.ContentType(format)
	if err := errors.Join(err, wrong); err != nil {
		refuse(http.StatusBadRequest, err)
		return
	}
	if o.Community != "" && inv.Community(o.Community) == nil {
		refuse(http.StatusBadRequest, fmt.Errorf("community %q is not in the inventory", o.Community))
		return
	}
	switch who := access.From(r.Context()); {
	case !who.May(access.Export) || who.Vendor != "":
		refuse(http.StatusForbidden, errors.New("a report is of all vendors: it is for the bureau, and who may export"))
		return
	case !who.SeesAll() && (o.Community == "" || !who.SeesCommunity(o.Community)):
		refuse(http.StatusForbidden, errors.New("give community=ID, one of those you see"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), reportTime)
	defer cancel()
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	case <-ctx.Done():
		w.Header().Set("Retry-After", "60")
		refuse(http.StatusServiceUnavailable, errors.New("another report is being made; ask again in a minute"))
		return
	}
	written, err := Report(ctx, h.settings.Load(), inv, o)
	switch {
	case errors.Is(err, report.ErrEarly):
		refuse(http.StatusBadRequest, err)
		return
	case err != nil:
		h.log.Error("a report cannot be made", "error", err)
		refuse(http.StatusBadGateway, err)
		return
	}
	var b bytes.Buffer // whole or not at all
	if err := written.Write(&b, format); err != nil {
		refuse(http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	disposition := "attachment"
	if format == "html" {
		disposition = "inline"
		w.Header().Set("Content-Security-Policy", report.StylePolicy())
	}
	w.Header().Set("Content-Disposition", disposition+"; filename*=UTF-8''"+url.PathEscape(written.Title+" "+written.Period+"."+format))
	_, _ = w.Write(b.Bytes())
}

// reportOrder reads what is asked for. Without days it is the quarter of yesterday.
func reportOrder(query url.Values, now time.Time, zone *time.Location) (o report.Order, err error) {
	o = report.Order{Now: now, Community: ingest.CommunityID(query.Get("community"))}
	quarter, from, to := query.Get("quarter"), query.Get("from"), query.Get("to")
	for name, values := range query {
		switch name {
		case "quarter", "from", "to", "as_of", "community", "format":
		default:
			return o, fmt.Errorf("%q is none of quarter, from, to, as_of, community, format", name)
		}
		if len(values) > 1 {
			return o, fmt.Errorf("%s is given %d times", name, len(values))
		}
	}
	switch {
	case quarter != "" && (from != "" || to != ""):
		return o, errors.New("give either quarter or from and to")
	case from != "" || to != "":
		if err := o.From.UnmarshalText([]byte(from)); err != nil {
			return o, fmt.Errorf("from: %w", err)
		}
		if err := o.To.UnmarshalText([]byte(to)); err != nil {
			return o, fmt.Errorf("to: %w", err)
		}
		if days := o.To.Sub(o.From.Time).Hours() / 24; days < 1 || days > 366 {
			return o, errors.New("to is the first day after, later than from, and at most a year later")
		}
	default:
		if quarter == "" {
			yesterday := now.In(zone).AddDate(0, 0, -1)
			quarter = fmt.Sprintf("%dQ%d", yesterday.Year(), (yesterday.Month()-1)/3+1)
		}
		if o.From, o.To, err = savings.QuarterOf(quarter); err != nil {
			return o, fmt.Errorf("quarter: %w", err)
		}
	}
	if asOf := query.Get("as_of"); asOf != "" {
		if err := o.AsOf.UnmarshalText([]byte(asOf)); err != nil {
			return o, fmt.Errorf("as_of: %w", err)
		}
	}
	return o, nil
}
