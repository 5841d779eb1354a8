package ingest

// Point is a derived point for InfluxDB.
type Point struct {
	Measurement string
	Tags        []Tag // sorted by key, no empty values
	Fields      []Field
	Time        int64 // unix nanoseconds
}

// Tag is one tag of a point.
type Tag struct{ Key, Value string }

// Field is one field of a point; Value is a float64, an int64, a bool or a string.
type Field struct {
	Key   string
	Value any
}
