package serve

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
)

// startService runs the service of a directory's config.yaml until end.
func startService(t testing.TB, dir string) (s *Service, end func()) {
	t.Helper()
	settings, err := Load(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = New(settings, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
