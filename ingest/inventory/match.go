package inventory

// matcher finds the source of a topic.
type matcher struct{}
