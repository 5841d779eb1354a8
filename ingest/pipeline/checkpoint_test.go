package pipeline

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"greencommunity/ingest"
)

// Every field of a device comes back from its line, fields to come included.
func TestDevicesComeBack(t *testing.T) {
	t.Parallel()
	full := &ingest.Device{ID: "桶\n\"1\"", Origin: &ingest.Origin{}, Listing: &ingest.Listing{}}
	for _, part := range []any{full.Origin, full.Listing} {
		v := reflect.ValueOf(part).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.String:
				f.SetString(v.Type().Field(i).Name + " 桶\n\"1\"")
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Float64:
				f.SetFloat(1.25 + float64(i))
			case reflect.Uint8:
				f.SetUint(24)
			case reflect.Map:
				f.Set(reflect.ValueOf(map[string]string{"rated_power": "120", "灯杆": "A\\1"}))
			default:
				t.Fatalf("field %s: teach this test its kind", v.Type().Field(i).Name)
			}
		}
	}
	devices := []*ingest.Device{full, {ID: "lamp", Origin: &ingest.Origin{Vendor: "v", Community: "c", Facility: "lighting"}, Listing: ingest.Unlisted}}
	dir := t.TempDir()
	d, err := openDevices(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.extend(2, func(i uint32) *ingest.Device { return devices[i] }); err != nil {
		t.Fatal(err)
	}
	again, err := openDevices(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	var got []*ingest.Device
	h := &checkpointHeader{Devices: 2, DeviceBytes: d.size, DeviceSum: d.sum}
	if _, err := again.restore(h, func(d ingest.Device) { got = append(got, &d) }, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, devices) {
		t.Errorf("got %+v, want %+v", got, devices)
	}
	if err := os.WriteFile(filepath.Join(dir, "devices.ndjson"), []byte("{\"ID\":\"a\"}\n{\"ID\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.DeviceBytes, h.DeviceSum = 18, 0
	if _, err := again.restore(h, func(ingest.Device) {}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a cut line is taken for a device")
	}
}
