package render

import (
	"os"
	"reflect"
	"testing"

	"greencommunity/cmd/internal/reference"
	"greencommunity/ingest/config"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/savings"
)

// What is committed and printed is what the structs read.
func TestFiles(t *testing.T) {
	files, err := Files("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		committed, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if string(committed) != text {
			t.Errorf("%s is not what go generate ./cmd/internal/reference writes", name)
		}
	}
	if files["config.yaml"] != reference.Config || files["inventory.yaml"] != reference.Inventory {
		t.Error("the program prints another reference")
	}
}

// The reference of config.yaml is read without a problem and says the defaults;
// that of the inventory has no key that cannot be read.
func TestReferenceIsReadAsItIsWritten(t *testing.T) {
	var c config.Config
	var p document.Problems
	if !document.Decode([]byte(reference.Config), &c, &p) || p.Len() > 0 {
		t.Fatal(p.Err())
	}
	parameters := anomaly.ReadSection(c.Anomaly, &p)
	factors := savings.ReadConfig(c.Savings, &p)
	if len(parameters.Parameters.All.Disabled) == 0 {
		parameters.Parameters.All.Disabled = nil // an empty list is written, and says the same
	}
	if want := anomaly.DefaultParameters(); !reflect.DeepEqual(parameters.Parameters, want) {
		t.Errorf("anomaly is read as\n%+v, default is\n%+v", parameters.Parameters, want)
	}
	if len(factors.Factors.Coal) != 0 {
		t.Errorf("%+v", factors)
	}
	c.Anomaly, c.Savings, c.Access, c.Alarms = document.Section{}, document.Section{}, document.Section{}, document.Section{}
	want := config.Defaults()
	want.Zone, want.DataDir, want.Inventory = nil, "", ""
	for _, list := range []*[]string{&want.MQTT.Brokers, &want.WatchTLS, &want.HTTP.Hosts} {
		if *list == nil {
			*list = []string{} // an empty list is written, and says the same
		}
	}
	if !reflect.DeepEqual(&c, want) {
		t.Errorf("read as\n%+v, default is\n%+v", c, *want)
	}
	var f inventory.File
	p = document.Problems{}
	if !document.Decode([]byte(reference.Inventory), &f, &p) || p.Len() > 0 {
		t.Error(p.Err())
	}
}
