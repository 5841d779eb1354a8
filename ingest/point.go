package ingest

// Point is a derived point for InfluxDB: what was computed, not received.
type Point struct {
	Measurement string
	Tags        []Tag // in any order; empty values are left out
	Fields      []PointField
	Time        int64 // unix nanoseconds
}

// Tag is a tag of a derived point.
type Tag struct{ Key, Value string }

// PointField is a field of a derived point: a number, or text where Text is set.
type PointField struct {
	Key   string
	Value float64
	Text  string
}
