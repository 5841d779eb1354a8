// Package metrics serves what the ingester knows about itself over HTTP.
//
// The port is open from the first moment, so that one in use is found at once
// and a supervisor sees life: /-/healthy answers while the process works, and
// /metrics only once the account is complete (Open), since a counter that is
// scraped half-read would seem to have gone back.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
)

// Options of a server.
type Options struct {
	Listen        string
	WebConfigFile string // TLS and passwords, as Prometheus' exporters take them
	// Hosts are names of ours beside addresses and local names: requests under
	// others are refused.
	Hosts    []string
	Gatherer prometheus.Gatherer
	// Ready says why readings are not taken in, nil if they are.
	Ready func() error
	// Reload reads the inventory again; nil if there is nothing to reload.
	Reload func(context.Context) error
	// Routes are further handlers by pattern: the page and its JSON.
	Routes map[string]http.Handler
	// Bodies are the bytes a request of a path may have, where that is more than 64 KiB.
	Bodies map[string]int64
	// Protect lets requests through that may be answered; nil lets all through.
	Protect func(http.Handler) http.Handler
	Logger  *slog.Logger
}

// Server is the HTTP server.
type Server struct {
	o        Options
	listener net.Listener
	open     atomic.Bool
}

// Listen opens the port.
func Listen(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Protect == nil {
		o.Protect = func(h http.Handler) http.Handler { return h }
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	return &Server{o: o, listener: limit(l)}, nil
}

// Addr is host:port where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close frees the port of a server that is not to run.
func (s *Server) Close() error { return s.listener.Close() }

// Open says that the account is complete: /metrics answers from now on.
func (s *Server) Open() { s.open.Store(true) }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: s.guard(s.o.Protect(s.handler())), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, IdleTimeout: 2 * time.Minute,
		// Requests end with ctx: a stream of events does not by itself.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan struct{})
	go func() { // ends with ctx, or when Serve has failed
		defer close(ended)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			server.Close() // somebody reads slowly
		}
	}()
	listen, file, systemd := []string{s.o.Listen}, s.o.WebConfigFile, false
	err := web.Serve(s.listener, server, &web.FlagConfig{WebListenAddresses: &listen, WebConfigFile: &file, WebSystemdSocket: &systemd}, s.o.Logger)
	if errors.Is(err, http.ErrServerClosed) {
		<-ended
		return nil
	}
	return fmt.Errorf("HTTP server: %w", err)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.o.Ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) {
		if err := s.o.Reload(r.Context()); err != nil {
			http.Error(w, "nothing has changed:\n"+err.Error(), http.StatusUnprocessableEntity)
			return
		}
		fmt.Fprintln(w, "reloaded")
	})
	// What cannot be told, of a ledger whose file cannot be read, say, takes nothing else away.
	exposition := promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{ErrorLog: errorLog{s.o.Logger}, ErrorHandling: promhttp.ContinueOnError})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !s.open.Load() {
			http.Error(w, "the journal is being read; counters would seem to go back", http.StatusServiceUnavailable)
			return
		}
		exposition.ServeHTTP(w, r)
	})
	for pattern, h := range s.o.Routes {
		mux.Handle(pattern, h)
	}
	return mux
}

type errorLog struct{ *slog.Logger }

func (l errorLog) Println(v ...any) {
	l.Error("some metrics are not told, the others are", "error", strings.TrimSpace(fmt.Sprintln(v...)))
}
