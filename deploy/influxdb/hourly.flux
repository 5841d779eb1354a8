// Hourly values of the last day, every hour: what came late is in as well, and
// what is written twice is one point.
option task = {name: "greencommunity hourly", every: 1h, offset: 10m}

readings =
    from(bucket: "facilities")
        |> range(start: -25h)
        |> filter(fn: (r) => r._measurement != "events" and r._measurement != "savings")

readings
    |> filter(fn: (r) => r._field =~ /_total$/)
    |> aggregateWindow(every: 1h, fn: last, createEmpty: false)
    |> to(bucket: "facilities_1h", org: "bureau")

readings
    |> filter(fn: (r) => r._field !~ /_total$/)
    |> toFloat()
    |> aggregateWindow(every: 1h, fn: mean, createEmpty: false)
    |> to(bucket: "facilities_1h", org: "bureau")
