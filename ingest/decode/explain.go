package decode

import (
	"strconv"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// explainReading says how a reading came to be: which field, by whose word,
// which unit, and whose clock.
func explainReading(src *inventory.Source, out *format.Output, s *format.Sample, field *format.Field, q *ingest.Quantity, unit string, value float64, source ingest.TimeSource, replaced bool) {
	by := "its canonical name"
	switch {
	case field != nil:
		by = whoseField(src, field)
	case s.Quantity != "":
		by = "the format itself"
	}
	sent := sentText(s)
	if unit != "" && unit != q.Unit {
		sent += " " + unit
	}
	out.Explain("%.60q = %.60s is %s = %.10g %s, by %s; at %s", s.Field, sent, q.Name, value, q.Unit, by, whoseClock(s.Time, source, replaced))
}

// whoseField says where a field's meaning is from.
func whoseField(src *inventory.Source, field *format.Field) string {
	for _, f := range src.Fields {
		if f == field {
			return "fields of the source"
		}
	}
	return "the profile built in for the format or product"
}

// sentText is a value as it was sent.
func sentText(s *format.Sample) string {
	switch {
	case s.IsText:
		return strconv.Quote(s.Text)
	case s.IsBool:
		return boolText(s.Value != 0)
	}
	return numberText(s.Value)
}

func whoseClock(written int64, source ingest.TimeSource, replaced bool) string {
	switch {
	case replaced:
		return "the time received, as " + time.Unix(0, written).UTC().Format(time.RFC3339) + " is out of bounds"
	case source == ingest.TimeDevice:
		return "the device's time"
	case source == ingest.TimeGateway:
		return "the gateway's or network's time"
	}
	return "the time received, as the payload has none"
}
