package books

import "math"

// Conditions hold what drove use on a day.
type Conditions struct {
	TempF      float64 // daily mean, °F; NaN: not known
	ET0, Rain  float64 // mm; NaN: not known
	DarkHours  float64
	HoursOfDay float64
}

// Weather holds what a weather station reported, by local day.
type Weather struct {
	First int
	Days  []WeatherDay
}

// WeatherDay holds what was reported of a local day.
type WeatherDay struct {
	Sum, Count float64 // of temperatures, °C
	Hours      uint32  // which hours of the day have one
	ET0, Rain  float64
	Driven     bool // ET0 is known
}

// Day returns a day to enter values in, nil if it is before the first or too far after.
func (w *Weather) Day(day int) *WeatherDay {
	if len(w.Days) == 0 {
		w.First = day
	}
	i := day - w.First
	if i < 0 || i > KeptDays {
		return nil
	}
	for len(w.Days) <= i {
		w.Days = append(w.Days, WeatherDay{})
	}
	return &w.Days[i]
}

// enoughHours of a day must have a temperature for its mean to count.
const enoughHours = 12

// Conditions enters the weather of a day. A nil Weather knows none.
func (w *Weather) Conditions(day int, c *Conditions) {
	c.TempF, c.ET0, c.Rain = math.NaN(), math.NaN(), math.NaN()
	if w == nil || day < w.First || day >= w.First+len(w.Days) {
		return
	}
	d := &w.Days[day-w.First]
	hours := 0
	for h := d.Hours; h != 0; h &= h - 1 {
		hours++
	}
	if hours >= enoughHours {
		c.TempF = d.Sum/d.Count*9/5 + 32
	}
	if d.Driven {
		c.ET0, c.Rain = d.ET0, d.Rain
	}
}
