package pipeline_test

import (
	"context"
	"testing"
	"time"

	"greencommunity/ingest/pipeline"
)

// What the watchdog asks: a walker that goes on is alive, whether something comes or
// not; one that stands still for more than a minute is not, and one that goes on
// again is.
func TestAlive(t *testing.T) {
	s := startSurroundings(t, 0, 0)
	s.publish("lamp-1", `{"active_power":1}`)
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	s.settled(1)
	now := time.Now()
	alive := func(after time.Duration) bool { return pipeline.AliveAt(s.pipeline, now.Add(after)) == nil }
	s.eventually("alive after idle minutes", func() bool {
		time.Sleep(300 * time.Millisecond) // the walker goes on five times a second
		now = now.Add(2 * time.Minute)
		return alive(0)
	})
	held, release := make(chan struct{}), make(chan struct{})
	go func() { _ = pipeline.HoldWalker(context.Background(), s.pipeline, held, release) }()
	<-held
	if !alive(0) || !alive(50*time.Second) {
		t.Error("called dead within a minute")
	}
	if alive(2 * time.Minute) {
		t.Error("stands still for two minutes, and is called alive")
	}
	close(release)
	s.eventually("alive again", func() bool { return alive(3 * time.Minute) })
}
