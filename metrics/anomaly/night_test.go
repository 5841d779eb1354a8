package anomaly

import "testing"

// A register that goes on by one step after as many hours each time is a leak and nothing
// else; people do not live so evenly.
func TestPulses(t *testing.T) {
	for name, c := range map[string]struct {
		hours []uint8
		ok    bool
	}{
		"20 L/h on 100 L":                 {[]uint8{5, 5, 5, 4, 5, 5, 5, 4}, true},
		"12 L/h on 100 L":                 {[]uint8{8, 9, 8, 8, 9, 8, 8, 8}, true},
		"pressure of night and day":       {[]uint8{8, 9, 10, 9, 8, 9, 10, 9}, true},
		"seven only":                      {[]uint8{5, 5, 5, 4, 5, 5, 5}, false},
		"a family":                        {[]uint8{1, 2, 9, 1, 3, 2, 2, 10, 1, 2, 4, 2, 9}, false},
		"somebody up by night":            {[]uint8{5, 5, 5, 5, 2, 5, 5, 5, 5}, false},
		"busy all day, a step every hour": {[]uint8{1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1}, false},
	} {
		var p pulses
		for _, h := range c.hours {
			p.step(h, true)
		}
		if _, flow, ok := p.tells(100); ok != c.ok || ok && (flow < 8 || flow > 25) {
			t.Errorf("%s: %v at %g L/h", name, ok, flow)
		}
	}
}

// Reads of days alike are a leak where nobody is at home.
func TestDaysAlike(t *testing.T) {
	for name, c := range map[string]struct {
		flow []float64 // L/h
		ok   bool
	}{
		"leak while everybody is away":       {[]float64{20, 24, 0, 0, 14, 31.6, 31.7}, true},
		"its flow follows the pressure":      {[]float64{20, 24, 0, 0, 14, 31.6, 31.9}, true},
		"a home comes back":                  {[]float64{20, 24, 0, 0, 14, 24, 26}, false},
		"two days alike by chance":           {[]float64{20, 24, 26, 24, 24.1, 22}, false},
		"leak, then everybody leaves":        {[]float64{20, 24, 50, 30.1, 30.2, 30.1, 30}, true},
		"a drip is not what this looks for":  {[]float64{0, 0, 1, 2, 2, 2, 2, 2}, false},
		"alike long after everybody is back": {[]float64{0, 10, 24, 26, 23, 23.1}, false},
	} {
		var d days
		for _, f := range c.flow {
			d.read(f)
		}
		if d.tells() != c.ok {
			t.Errorf("%s: %v", name, !c.ok)
		}
	}
}
