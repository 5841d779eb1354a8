package serve

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/dashboards/access"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/ledger"
)

func ledgerFiles(c *Settings) ledger.Files {
	return ledger.Files{Table: c.Ledger.File, Items: c.Ledger.Items}
}

// openLedger opens the ledger and takes over the table. A table with mistakes keeps
// nobody from starting: it is told in the log, on the page and in /metrics.
func (s *Service) openLedger(registry *prometheus.Registry) (err error) {
	if err := os.MkdirAll(s.settings.DataDir, 0o750); err != nil {
		return err
	}
	if s.ledger, err = ledger.New(ledger.Options{
		DataDir: s.settings.DataDir, Logger: s.log,
		Inventory: func() *inventory.Inventory { return s.pipeline.Inventory() },
		Person:    s.person,
		Propose:   s.propose,
	}); err != nil {
		return err
	}
	registry.MustRegister(s.ledger)
	inv := s.settings.Inventory.Shard(s.settings.Shard.Index, s.settings.Shard.Count)
	if err := s.ledger.Reload(ledgerFiles(s.settings), inv); err != nil {
		s.log.Error("nothing is taken of the ledger's table until it is mended and reloaded", "error", err)
	}
	return nil
}

// person is who asks, as far as the ledger asks for it.
func (s *Service) person(r *http.Request) ledger.Person {
	who := access.From(r.Context())
	return ledger.Person{
		Name: who.Title, Read: who.May(access.Read) && who.Vendor == "", Change: who.May(access.Ledger) && who.Vendor == "",
		// Contacts are for those whose name is known.
		Contacts: who.Role != access.Department, Sees: who.SeesCommunity,
	}
}

// OpenLedger opens the ledger of a service that runs or is stopped, and the standard it is
// checked against.
func OpenLedger(c *Settings) (*ledger.Ledger, *ledger.Standard, error) {
	items, itemsErr := ledger.ReadItems(c.Ledger.Items)
	l, err := ledger.Open(c.DataDir)
	if err := errors.Join(itemsErr, err); err != nil {
		return nil, nil, err
	}
	return l, &ledger.Standard{Items: items, Inventory: c.Inventory, Now: time.Now()}, nil
}
