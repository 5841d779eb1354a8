// Hourly values of the last day, every hour, each at the end of its hour: what
// came late is in as well, and what is written twice is one point. Whole hours
// only: part of one would stand for all of it.
import "date"

option task = {name: "greencommunity hourly", every: 1h, offset: 10m}

stop = date.truncate(t: now(), unit: 1h)
start = time(v: int(v: stop) - 25 * 3600 * 1000000000)

readings =
    from(bucket: "facilities")
        |> range(start: start, stop: stop)
        |> filter(fn: (r) => r._measurement != "events" and r._measurement != "savings")
        // Early versions of Flux take the end of a range in.
        |> filter(fn: (r) => r._time < stop)

readings
    |> filter(fn: (r) => r._field =~ /_total$/)
    |> aggregateWindow(every: 1h, fn: last, createEmpty: false)
    |> to(bucket: "facilities_1h", org: "bureau")

readings
    |> filter(fn: (r) => r._field !~ /_total$/)
    |> toFloat()
    |> aggregateWindow(every: 1h, fn: mean, createEmpty: false)
    |> to(bucket: "facilities_1h", org: "bureau")
