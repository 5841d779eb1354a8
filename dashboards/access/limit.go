package access

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits holds a token bucket for each of a bounded number of names. When there are
// too many, those that are full again are forgotten, and then no new one is let in:
// forgetting one that is empty would be a way round it.
type limits struct {
	every time.Duration // a token
	burst int
	most  int

	mu      sync.Mutex // buckets
	buckets map[string]*rate.Limiter
}

func newLimits(every time.Duration, burst, most int) *limits {
	return &limits{every: every, burst: burst, most: most, buckets: map[string]*rate.Limiter{}}
}

// bucket returns a name's, nil where there are too many names.
func (l *limits) bucket(name string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[name]; b != nil {
		return b
	}
	if len(l.buckets) >= l.most {
		for other, b := range l.buckets {
			if b.TokensAt(now) >= float64(l.burst) {
				delete(l.buckets, other)
			}
		}
		if len(l.buckets) >= l.most {
			return nil
		}
	}
	b := rate.NewLimiter(rate.Every(l.every), l.burst)
	l.buckets[name] = b
	return b
}

// spent reports whether a name has no token left.
func (l *limits) spent(name string, now time.Time) bool {
	b := l.bucket(name, now)
	return b == nil || b.TokensAt(now) < 1
}

// spend takes one of a name's tokens.
func (l *limits) spend(name string, now time.Time) {
	if b := l.bucket(name, now); b != nil {
		b.AllowN(now, 1)
	}
}
