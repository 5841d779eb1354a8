package anomaly

// timer says what is due when. A device has few, and each looks again when it
// is due whether something has moved it meanwhile: so a reading that moves a
// timer costs nothing, and a heap of one entry a device is enough where a timer
// wheel would have to be exact to the nanosecond to give the same alarms
// however often it is turned.
type timer struct {
	Due  int64 // unix nanoseconds; of offline timers in time heard, see Engine.heard
	What timerKind
	Of   uint32 // device, gate or alarm, by What
	K    alarmKey
}

type timerKind uint8

const (
	timeOffline  timerKind = iota // Of is a device
	timeHeldOpen                  // Of is a gate
	timeExpire                    // K is an alarm
	timeGone                      // Of is a device
	timeHeld                      // K is an alarm that waits to be told
)

// before orders timers, so that equal states do the same in the same order.
func (t timer) before(u timer) bool {
	switch {
	case t.Due != u.Due:
		return t.Due < u.Due
	case t.What != u.What:
		return t.What < u.What
	case t.Of != u.Of:
		return t.Of < u.Of
	case t.K.Device != u.K.Device:
		return t.K.Device < u.K.Device
	case t.K.Channel != u.K.Channel:
		return t.K.Channel < u.K.Channel
	}
	return t.K.Kind < u.K.Kind
}

// timers is a binary heap with the soonest first.
type timers []timer

func (h *timers) push(t timer) {
	q := append(*h, t)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !q[i].before(q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
	*h = q
}

func (h *timers) pop() timer {
	q := *h
	top := q[0]
	last := len(q) - 1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].before(q[c]) {
			c++
		}
		if !q[c].before(q[i]) {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	*h = q
	return top
}
