package serve

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/config"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/ledger"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/usage"
)

// Settings are config.yaml, with the options of the packages whose sections it
// holds, and the inventory it names, the whole of it.
type Settings struct {
	*config.Config
	Anomaly   anomaly.Config
	Savings   savings.Config
	Access    access.Config
	Alarms    alarms.Config
	Inventory *inventory.Inventory

	path string
}

// Load reads and checks all of it. All problems of all sections and of the
// inventory are reported together, each with its file, its line and its remedy.
func Load(path string) (*Settings, error) {
	c, p, err := config.Read(path)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, p.Of(path)
	}
	s := &Settings{path: path, Config: c, Anomaly: anomaly.ReadSection(c.Anomaly, p), Savings: savings.ReadConfig(c.Savings, p)}
	s.Access = access.ReadSection(c.Access, c.Zone, p)
	var unread, schedule error
	s.Alarms, schedule = alarms.ReadSection(c.Alarms, filepath.Dir(path), c.Zone, p)
	for resource, price := range map[usage.Resource]*float64{usage.Water: &s.Alarms.Tariffs.Water, usage.Electricity: &s.Alarms.Tariffs.Electricity} {
		if *price == 0 { // one price, in one place
			*price = savings.UnitPrice(s.Savings.Tariffs, resource)
		}
	}
	_, items := ledger.ReadItems(c.Ledger.Items)
	if c.Inventory != "" && c.Zone != nil {
		unread = s.readInventory()
	}
	if inv := s.Inventory; inv != nil {
		s.Access.Check(func(id ingest.CommunityID) bool { return inv.Community(id) != nil },
			func(id ingest.VendorID) bool { return inv.Vendor(id) != nil }, p)
	}
	problems := []error{p.Of(path), items, unread, schedule}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// readInventory reads the inventory and checks what it says of boundaries.
func (s *Settings) readInventory() error {
	inv, p, err := inventory.Read(s.Config.Inventory, s.Zone)
	if err != nil {
		return err
	}
	problems := []error{p.Of(s.Config.Inventory)}
	if inv != nil {
		problems = append(problems, savings.Problems(inv).Of(s.Config.Inventory))
	}
	s.Inventory = inv
	return errors.Join(problems...)
}

// fixed are the sections that differ in again and are read at the start only.
func (s *Settings) fixed(again *Settings) (names []string) {
	a, b := s.Config, again.Config
	for _, section := range []struct {
		name  string
		equal bool
	}{
		{"data_dir", a.DataDir == b.DataDir}, {"time_zone", a.TimeZone == b.TimeZone}, {"inventory", a.Inventory == b.Inventory},
		{"shard", a.Shard == b.Shard}, {"mqtt", reflect.DeepEqual(a.MQTT, b.MQTT)}, {"journal", a.Journal == b.Journal}, {"acknowledge", a.Acknowledge == b.Acknowledge},
		{"influxdb", a.InfluxDB == b.InfluxDB}, {"watch_tls", slices.Equal(a.WatchTLS, b.WatchTLS)},
		{"http", reflect.DeepEqual(a.HTTP, b.HTTP)}, {"push", a.Push == b.Push}, {"store", a.Store == b.Store}, {"rejects", a.Rejects == b.Rejects},
		{"feedback", *a.Feedback.PerMinute == *b.Feedback.PerMinute},
	} {
		if !section.equal {
			names = append(names, section.name)
		}
	}
	return names
}
