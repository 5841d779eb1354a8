package savings

import "time"

func at(day int) int64 {
	return time.Date(2022, 1, day, 0, 0, 0, 0, time.UTC).UnixNano()
}
