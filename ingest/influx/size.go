package influx

import (
	"bytes"
	"sync"
	"time"
)

// size says how much InfluxDB takes at a time, as far as it is known. A request
// that took too long halves the lines, one that was too large halves the bytes.
// Quick answers raise the lines again; the bytes, which somebody has set, are
// tried again after a while.
type size struct {
	mu      sync.Mutex
	lines   int // at most so many; 0 is no limit
	bytes   int
	bytesAt time.Time // when bytes was last found out or tried
}

// tryBytesEvery sets how often a larger request is tried after a 413.
const tryBytesEvery = 10 * time.Minute

// cut returns the first lines that are not too much, and how many they are.
func (s *size) cut(lines []byte, count int) (part []byte, n int) {
	s.mu.Lock()
	maxLines, maxBytes := s.lines, s.bytes
	s.mu.Unlock()
	if (maxLines == 0 || count <= maxLines) && (maxBytes == 0 || len(lines) <= maxBytes) {
		return lines, count
	}
	end := 0
	for n < count && (maxLines == 0 || n < maxLines) {
		next := end + bytes.IndexByte(lines[end:], '\n') + 1
		if next == end {
			next = len(lines)
		}
		if n > 0 && maxBytes > 0 && next > maxBytes {
			break
		}
		end, n = next, n+1
	}
	return lines[:end], n
}

// tooSlow remembers that so many lines took too long.
func (s *size) tooSlow(count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = max(1, count/2)
}

// tooLarge remembers that so many bytes were too many.
func (s *size) tooLarge(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes, s.bytesAt = max(1, bytes/2), time.Now()
}

// passed remembers that lines were answered in time.
func (s *size) passed(count, bytes int, took, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines > 0 && 2*count >= s.lines {
		switch {
		case took < timeout/16:
			s.lines *= 2
		case took < timeout/4:
			s.lines += s.lines/4 + 1
		}
		if s.lines > maxLines {
			s.lines = 0
		}
	}
	if s.bytes > 0 && 2*bytes >= s.bytes && time.Since(s.bytesAt) > tryBytesEvery {
		s.bytes, s.bytesAt = s.bytes*2, time.Now()
	}
}

// maxLines sets where the limit is forgotten: no batch has more.
const maxLines = 100_000

// limit is the most lines a request has now; 0 is no limit.
func (s *size) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}
