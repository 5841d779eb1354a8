package durable

// Dir does nothing: names are durable.
func Dir(string) error { return nil }
