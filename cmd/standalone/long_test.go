package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// A county of 100 communities with 100,000 devices, from which 5,000 readings a
// second come in (a fiftieth of both unless GREENCOMMUNITY_LONG is set): the page's JSON answers, and all of the readings are taken in.
// How long the answers take is logged; the budget is 100 ms, 95 times of 100, on
// a machine that does nothing else.
func TestLongPageOfACounty(t *testing.T) {
	t.Parallel()
	const communities = 100
	each, rate, length := 20, 100.0, 4*time.Second
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		each, rate, length = 1000, 5000, 40*time.Second
	}
	var inventory strings.Builder
	inventory.WriteString("communities:\n")
	for c := range communities {
		fmt.Fprintf(&inventory, "- {id: c%03d, name: 第%d社区, stage: participating, households: 1000, population: 3000}\n", c, c)
	}
	inventory.WriteString("vendors:\n- id: acme\n  max_devices: 200000\n  sources:\n  - {topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}\n")
	s, c := planted(t, inventory.String())
	base := strings.TrimSuffix(s.http, "/metrics")

	n := 0 // readings sent
	publish := func() paho.Token {
		device, round := n%(communities*each), n/(communities*each)
		n++
		community, at := device%communities, device/communities
		topic, payload := "", ""
		switch {
		case at < each*40/100:
			topic, payload = "lighting/lamp", fmt.Sprintf(`{"active_power":%d,"light_on":true}`, 40+round)
		case at < each*85/100:
			topic, payload = "water/meter", fmt.Sprintf(`{"water_volume_total":%d.25}`, 10+round)
		case at < each*95/100:
			topic, payload = "waste/bin", fmt.Sprintf(`{"fill_level":0.%d}`, 1+(at+round)%9)
		default:
			topic, payload = "gate/gate", fmt.Sprintf(`{"pass_in":%d}`, 1+round)
		}
		return c.Publish(fmt.Sprintf("greencommunity/v1/c%03d/%s-%d", community, topic, at), 1, false, payload)
	}
	for n < communities*each {
		tokens := make([]paho.Token, 0, 1000)
		for range 1000 {
			tokens = append(tokens, publish())
		}
		for _, token := range tokens {
			if !token.WaitTimeout(time.Minute) || token.Error() != nil {
				t.Fatal(token.Error())
			}
		}
	}
	s.account()
	if overview := fetch(t, base+"/api/v1/overview"); !strings.Contains(overview, fmt.Sprintf(`"online":%d,`, communities*each)) {
		t.Fatalf("not all devices are online: %.400s", overview)
	}

	var stop atomic.Bool
	fed := make(chan error, 1)
	begun, before := time.Now(), n
	go func() {
		for !stop.Load() {
			var last paho.Token
			for due := int(time.Since(begun).Seconds()*rate) - (n - before); due > 0; due-- {
				last = publish()
			}
			if last != nil && (!last.WaitTimeout(time.Minute) || last.Error() != nil) {
				fed <- fmt.Errorf("publishing: %w", last.Error())
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		fed <- nil
	}()
	paths := []string{"/api/v1/overview", "/api/v1/alarms", "/api/v1/savings", "/api/v1/trends", "/api/v1/trends?community=c042", "/api/v1/devices?q=lamp-399", "/api/v1/devices?q=no-such-device"}
	took := map[string][]time.Duration{}
	for time.Since(begun) < length {
		for _, path := range paths {
			start := time.Now()
			r, err := http.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if err != nil || r.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s %v", path, r.Status, err)
			}
			took[path] = append(took[path], time.Since(start))
			time.Sleep(20 * time.Millisecond)
		}
	}
	sent, lasted := n-before, time.Since(begun)
	stop.Store(true)
	if err := <-fed; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d readings in %v, %.0f a second", sent, lasted.Round(time.Second), float64(sent)/lasted.Seconds())
	for _, path := range paths {
		all := took[path]
		slices.Sort(all)
		p95 := all[len(all)*95/100]
		t.Logf("%-32s %4d times: median %v, 95 of 100 within %v, all within %v", path, len(all), all[len(all)/2].Round(time.Microsecond*100), p95.Round(time.Microsecond*100), all[len(all)-1].Round(time.Millisecond))
	}
	if received := s.account(); int(received) != n {
		t.Errorf("%v messages received, %d sent", received, n)
	}
	s.interrupt()
}
