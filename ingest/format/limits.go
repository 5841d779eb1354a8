package format

// Limits of one message. What is beyond is refused as too_large.
const (
	MaxTopic    = 1024    // bytes
	MaxPayload  = 8 << 20 // bytes
	MaxReadings = 50_000  // readings and events
)
