package format

import (
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/javascript"
)

// Source holds what a decoder knows of the source it reads: the part of
// inventory.Source that is about form.
type Source struct {
	Format, Payload string
	JSON            *Mapping            // of format and payload json, else nil
	Facility        ingest.FacilityKind // of what says no other, "" if none
	Profile         string              // likewise the device profile
	Zone            *time.Location      // of times without one
	// Programs are the vendors' own decoders, compiled, by device profile.
	Programs map[string]*javascript.Program
}

// Program returns the vendor's decoder for a device profile and the profile as
// the source writes it; nil if there is none. Capitals do not count: EM400-TLD
// is em400-tld.
func (s *Source) Program(profile string) (string, *javascript.Program) {
	if program, ok := s.Programs[profile]; ok {
		return profile, program
	}
	for name, program := range s.Programs {
		if name != "" && strings.EqualFold(name, profile) {
			return name, program
		}
	}
	return "", nil
}

// Captures holds what a topic template took from a topic. Its strings are parts of the topic.
type Captures struct {
	Community, Compound, Facility, Device, Channel string
}
