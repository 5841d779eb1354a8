package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"greencommunity/ingest/pipeline"
)

// The running service is told what to do with its devices, and which use to book again,
// through a socket in its data directory: whoever may write there may do it, and no web page can reach it.
func controlPath(dataDir string) string { return filepath.Join(dataDir, "control") }

// control serves the socket until ctx ends. Without it the service goes on: it is
// for the commands devices, usage and replay alone.
func control(ctx context.Context, dataDir string, p *pipeline.Pipeline, use *rebuilds, log *slog.Logger) {
	path := controlPath(dataDir)
	os.Remove(path) // of a process that was killed: the directory is ours alone
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		log.Warn("the commands devices and usage cannot reach this service; it works while the service is stopped", "socket", path, "error", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		devices, err := p.Known(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(devices)
	})
	mux.HandleFunc("POST /devices", func(w http.ResponseWriter, r *http.Request) {
		var changes []pipeline.DeviceChange
		if err := json.NewDecoder(r.Body).Decode(&changes); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := p.ChangeDevices(r.Context(), changes); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	use.routes(mux)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Warn("the commands devices and usage cannot reach this service any more", "error", err)
	}
}

// Devices reaches the devices of a data directory, of a service that runs or is
// stopped.
type Devices struct {
	client  *http.Client // nil: stopped
	stopped *pipeline.Stopped
}

// OpenDevices reaches the devices that a configuration's service knows.
func OpenDevices(ctx context.Context, c *Settings, log *slog.Logger) (*Devices, error) {
	path := controlPath(c.DataDir)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	probe, err := dial(ctx, "", "")
	if err == nil {
		probe.Close()
		return &Devices{client: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
	}
	stopped, openErr := pipeline.OpenStopped(c.DataDir, c.Inventory.Shard(c.Shard.Index, c.Shard.Count), log)
	switch {
	case errors.Is(openErr, pipeline.ErrRunning):
		return nil, fmt.Errorf("%w, and its socket %s is not reached (%w): it may be starting; try again, as the service's user or root", openErr, path, err)
	case openErr != nil:
		return nil, openErr
	}
	return &Devices{stopped: stopped}, nil
}

// Running reports whether the service is running.
func (d *Devices) Running() bool { return d.client != nil }

// Close ends it.
func (d *Devices) Close() {
	if d.stopped != nil {
		d.stopped.Close()
	}
}

// Known returns what is known.
func (d *Devices) Known(ctx context.Context) (devices []pipeline.KnownDevice, err error) {
	if d.stopped != nil {
		return d.stopped.Known(), nil
	}
	answer, err := d.do(ctx, http.MethodGet, "devices", nil)
	if err != nil {
		return nil, err
	}
	return devices, json.Unmarshal(answer, &devices)
}

// Change makes changes, all or none: at once, or at the next start.
func (d *Devices) Change(ctx context.Context, changes []pipeline.DeviceChange) error {
	if d.stopped != nil {
		return d.stopped.Change(changes)
	}
	body, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	_, err = d.do(ctx, http.MethodPost, "devices", body)
	return err
}

func (d *Devices) do(ctx context.Context, method, what string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://service/"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, err
}
