package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkQueryable measures how long a reading takes from its publishing until a
// query of InfluxDB returns it, while 10,000 devices publish LATENCY_RATE messages a
// second, 5,000 if it is not set: Mosquitto and the program as built, InfluxDB in the
// benchmark's process. An operation is a probe, one each 10 ms; ask for 3,000 at least,
// as a percentile of fewer tells little:
//
//	go test ./cmd/greencommunity -run '^$' -bench Queryable -benchtime 3000x
func BenchmarkQueryable(b *testing.B) {
	const (
		devices = 10_000
		each    = 10 * time.Millisecond // between two probes
		poll    = 2 * time.Millisecond  // between two queries
	)
	rate := 5000
	if s := os.Getenv("LATENCY_RATE"); s != "" {
		var err error
		if rate, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	_, broker := startMosquitto(b)
	db := startDatabase(b)
	in := startIngester(b, broker, "http://"+db.addr, "")
	in.waitReady()
	load, probe := newPublisher(b, broker), newPublisher(b, broker)

	sent := 0
	end, loaded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(loaded)
		began := time.Now()
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			for want := int(time.Since(began).Seconds() * float64(rate)); sent < want; sent++ {
				i := sent % devices
				kind, text := "lighting", fmt.Appendf(nil, `{"time":%d,"active_power":%d,"energy_total":%d,"light_on":true}`, time.Now().UnixMilli(), 60+i%7, 100+sent/devices)
				if i%2 == 1 {
					kind, text = "water", fmt.Appendf(nil, `{"time":%d,"water_volume_total":%d,"water_flow":0.0001}`, time.Now().UnixMilli(), 100+sent/devices)
				}
				load.client.Publish(fmt.Sprintf("greencommunity/v1/nancheng/%s/d%05d", kind, i), 1, false, text)
			}
		}
	}()
	time.Sleep(3 * time.Second) // all devices are known

	published := make([]time.Time, 0, b.N)
	took := make([]time.Duration, 0, b.N)
	see := func() {
		for _, row := range db.rows(`SELECT last("pass_in_total") FROM "gate" WHERE "device" = 'probe'`) {
			n, err := row["last"].(json.Number).Int64()
			if err != nil {
				b.Fatal(err)
			}
			for now := time.Now(); len(took) < int(n); {
				took = append(took, now.Sub(published[len(took)]))
			}
		}
	}
	b.ResetTimer()
	first := time.Now()
	for len(took) < b.N {
		if len(published) < b.N && time.Since(first) >= time.Duration(len(published))*each {
			now := time.Now()
			published = append(published, now)
			probe.client.Publish("greencommunity/v1/nancheng/gate/probe", 1, false, fmt.Appendf(nil, `{"time":%d,"pass_in_total":%d}`, now.UnixMilli(), len(published)))
		}
		see()
		if len(published) > 0 && time.Since(published[len(published)-1]) > time.Minute {
			b.Fatalf("%d of %d probes are stored a minute after the last", len(took), b.N)
		}
		time.Sleep(poll)
	}
	b.StopTimer()
	close(end)
	<-loaded
	in.waitSettled(float64(sent+b.N), time.Minute)
	slices.Sort(took)
	for _, percentile := range []int{50, 95, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*percentile/100].Microseconds())/1000, fmt.Sprintf("ms/p%d", percentile))
	}
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms/max")
}
