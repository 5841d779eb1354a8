package anomaly

import "math"

// Generic is the detector for any continuous quantity of which nothing else is
// known. Three channels look at each value:
//
//   - range: the value leaves everything seen so far by Tolerance of that range;
//   - point: the value is far from the profile of its time of day, measured in
//     that time's own mean absolute deviation;
//   - smooth: the running mean of such residuals is far from 0, for shifts too
//     small to be seen in one value.
//
// The last two are brought to one scale by what the series itself has shown:
// beyond its 98th percentile a residual is taken to follow a generalised Pareto
// distribution (peaks over threshold, Siffer et al., KDD 2017), so that bursts
// surprise less in a series that bursts than in one that does not. Its shape and
// scale come from the mean and the deviation of the excesses (Hosking and Wallis,
// Technometrics 1987), two numbers a channel. A score is a surprise -ln P, in
// nats, divided by its level: above 1 is anomalous.
//
// An alert stands for its episode: for Hold readings after it only a score half
// as high again is another. And who calls often must call louder: each alert
// raises the level by a fifth, which fades over a thousand readings.
//
// What is learned is winsorised: a value counts as at most 4 deviations from
// its profile, and as at most 6 of its own excesses in the tail, so that an
// anomaly teaches no more than one ordinary outlier would. The range alone
// takes what it sees, because a value seen once is no longer new.
//
// No unit matters: a series and a thousand times that series score alike.
//
// Generic has no pointers, so that a million of them cost the garbage collector
// nothing. The zero Generic is ready for use.
type Generic struct {
	mean [genericBuckets]float32 // profile over the day
	dev  [genericBuckets]deviation

	count     uint32 // readings seen, saturating
	hold      uint16 // readings left of the hold-down
	low, high float32
	total     float32 // running mean of everything
	spread    float32 // running mean absolute deviation of everything
	smooth    float32 // running mean of the residuals
	alerted   float32 // score of the last alert
	told      float32 // alerts so far, fading
	point     tail
	slow      tail
}

// genericBuckets divide the day. Half hours follow a lamp's or a commuter's
// edges closely enough, and fill within days at a reading an hour.
const genericBuckets = 48

// profileKnown is after how many readings the profile is good enough for residuals
// to say something of those to come.
const profileKnown = 200

// deviation is a mean absolute deviation, a float32 less its last eight bits.
// In these stands how many readings the bucket has learned from, saturating.
type deviation uint32

func (d deviation) value() float32 { return math.Float32frombits(uint32(d) &^ 0xff) }

func (d deviation) n() uint32 { return uint32(d & 0xff) }

// learned returns a deviation after one reading more.
func (d deviation) learned(v float32) deviation {
	return deviation(math.Float32bits(v)&^0xff | min(d.n()+1, 0xff))
}

// tail is the upper tail of a non-negative quantity.
type tail struct {
	q98    float32 // running 98th percentile
	excess float32 // running mean of what goes beyond it
	rms    float32 // running root mean square of the same
}

// surprise is -ln of the probability of at least x, in nats, after n readings.
func (t *tail) surprise(x float32, n uint32) float32 {
	if x <= t.q98 {
		return 0
	}
	if t.excess == 0 {
		return float32(math.Log(float64(n))) // the first that is not 0 of n
	}
	const beyond = 3.912 // -ln 0.02
	over, mean, square := float64(x-t.q98), float64(t.excess), float64(t.rms)*float64(t.rms)
	// A tail lighter than the exponential is taken for one: too few have been
	// seen to say that nothing can lie beyond.
	shape := 0.0
	if variance := square - mean*mean; variance > mean*mean {
		shape = 0.5 * (1 - mean*mean/variance)
	}
	y := over / (mean * (1 - shape))
	if shape < 0.01 {
		return float32(beyond + y)
	}
	return float32(beyond + math.Log1p(shape*y)/shape)
}

// learn moves the quantile by stochastic approximation: up 49 times as far as
// down, so that it rests where 2 % are above.
func (t *tail) learn(x float32, n uint32) {
	if t.excess == 0 {
		// Too small on purpose: the winsorising lets it grow by a tenth with
		// each value beyond, so that it comes up to the tail from below, and is
		// not spoilt by what a start looks like.
		t.q98, t.excess = x, 0.1*x
		t.rms = math.Sqrt2 * t.excess // as if exponential
		return
	}
	step := t.excess * max(0.02, 1/float32(n))
	if x > t.q98 {
		over := min(x-t.q98, 6*t.excess)
		t.excess += 0.02 * (over - t.excess)
		square, o := float64(t.rms)*float64(t.rms), float64(over)
		t.rms = float32(math.Sqrt(square + 0.02*(o*o-square)))
		t.q98 += step * 0.98
	} else {
		t.q98 = max(t.q98-step*0.02, 0)
	}
}

// GenericLevels says how surprising a value must be.
type GenericLevels struct {
	// Tolerance is how far a value must leave the range seen so far, as a share
	// of that range; 0 switches the channel off.
	Tolerance float32 `yaml:"tolerance"`
	// Point and Smooth are surprises in nats; 0 switches the channel off.
	Point  float32 `yaml:"point"`
	Smooth float32 `yaml:"smooth"`
	// Over is how many readings the running mean of Smooth reaches back.
	Over uint16 `yaml:"over"`
	// Hold is for how many readings after an alert only a score half as high
	// again is another.
	Hold uint16 `yaml:"hold"`
	// Warmup is how many readings the profile and the tails are learned from
	// before they count; the range counts after a twelfth of them.
	Warmup uint16 `yaml:"warmup"`
}

// StandardLevels are for looking at a series: they show what a person would
// want to look at, some of it in vain. A surprise of 7.5 is one reading in 1,800.
var StandardLevels = GenericLevels{Tolerance: 0.02, Point: 7.5, Smooth: 7.5, Over: 5, Hold: 110, Warmup: 250}

// FleetLevels are for alarms over many devices: what leaves the range by as
// much again, or is a lasting shift beyond anything seen. On 356 months of real
// meters read hourly they alert 0.06 times a meter-month, StandardLevels 1.0
// times. Two weeks of quarters of an hour have shown weekends, a day has shown a
// night.
var FleetLevels = GenericLevels{Tolerance: 1, Smooth: 10, Over: 30, Hold: 288, Warmup: 1344}

// Add looks at a value, learns from it, and returns its score. timeOfDay is in
// seconds since local midnight.
func (g *Generic) Add(v float32, timeOfDay int, l *GenericLevels) float32 {
	if g.count == 0 {
		g.low, g.high, g.total = v, v, v
	}
	if g.count < math.MaxUint32 {
		g.count++
	}
	span := g.high - g.low

	// The profile between the middles of two buckets.
	at := float32(timeOfDay)*(genericBuckets/86400.0) - 0.5
	if at < 0 {
		at += genericBuckets
	}
	i := int(at) % genericBuckets
	j := (i + 1) % genericBuckets
	part := at - float32(int(at))
	own := i
	if part >= 0.5 {
		own = j
	}
	expected, dev := g.total, g.spread
	switch {
	case g.dev[i].n() > 2 && g.dev[j].n() > 2:
		expected = g.mean[i]*(1-part) + g.mean[j]*part
		dev = g.dev[i].value()*(1-part) + g.dev[j].value()*part
	case g.dev[own].n() > 2:
		expected, dev = g.mean[own], g.dev[own].value()
	}
	// A profile that happens to be exact must not make noise surprising; nor
	// may one wild value, which is in the span for ever, make all else small.
	scale := max(1.25*dev, 0.1*1.25*g.spread+0.002*min(span, 300*g.spread))
	var z float32
	if scale > 0 {
		z = (v - expected) / scale
	}
	abs := max(z, -z)
	g.smooth += 2 / (float32(l.Over) + 1) * ((v - expected) - g.smooth)
	slow := max(g.smooth, -g.smooth)

	var score float32
	if g.count > uint32(l.Warmup)/12 {
		if l.Tolerance > 0 && span > 0 {
			if out := max(v-g.high, g.low-v); out > l.Tolerance*span {
				// Ten times as far out counts as much as a surprise 1.7 times its level.
				score = 1 + 0.3*float32(math.Log(float64(out/(l.Tolerance*span))))
			}
		}
		if l.Point > 0 && g.count > uint32(l.Warmup) {
			score = max(score, g.point.surprise(abs, g.count)/l.Point)
		}
		if l.Smooth > 0 && g.count > uint32(l.Warmup) {
			score = max(score, g.slow.surprise(slow, g.count)/l.Smooth)
		}
	}

	if g.count > profileKnown {
		g.point.learn(abs, g.count)
		g.slow.learn(slow, g.count)
	}
	g.low, g.high = min(g.low, v), max(g.high, v)
	g.learn(v, expected, scale, own)
	return g.judge(score, l)
}

// judge returns a score by the level in force, which alerts before have raised.
func (g *Generic) judge(score float32, l *GenericLevels) float32 {
	g.told -= g.told / 1000
	level := 1 + 0.2*g.told
	if g.hold > 0 {
		g.hold--
		level = max(level, 1.5*g.alerted)
	}
	if score < level {
		return min(score/level, 0.99)
	}
	g.hold, g.alerted = l.Hold, score
	g.told++
	return score
}

// learn takes a value into the profile.
func (g *Generic) learn(v, expected, scale float32, own int) {
	w := v
	if g.count > 20 && scale > 0 {
		w = min(max(v, expected-4*scale), expected+4*scale)
	}
	a := max(0.005, 1/float32(g.count))
	g.spread += a * (max(w-g.total, g.total-w) - g.spread)
	g.total += a * (w - g.total)

	d := g.dev[own]
	dev, n := d.value(), float32(min(d.n()+1, 0xff))
	if n > 1 {
		dev += max(0.03, 1/(n-1)) * (max(w-g.mean[own], g.mean[own]-w) - dev)
	}
	g.dev[own] = d.learned(dev)
	g.mean[own] += max(0.03, 1/n) * (w - g.mean[own])
}

// Expected is what the profile holds for a time of day.
func (g *Generic) Expected(timeOfDay int) float32 {
	if b := timeOfDay * genericBuckets / 86400 % genericBuckets; g.dev[b].n() > 2 {
		return g.mean[b]
	}
	return g.total
}
