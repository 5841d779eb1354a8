// Package alerting runs the Prometheus and the Alertmanager installed on this
// machine with the rules and routes of deploy, made quick, so that a test can
// follow an anomaly to the message: whatever serves /metrics (an ingester, or
// an exporter of the test) on one end, a robot's server on the other.
//
// Only addresses and times are changed, and each change must find what it
// replaces: a test cannot pass on a configuration that is not the one installed.
package alerting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a Prometheus with its Alertmanager.
type Options struct {
	Deploy string // path of the directory deploy
	Dir    string // for data and the changed configuration
	Target string // host:port whose /metrics is scraped as the ingester
	Notify string // host:port of `greencommunity notify`
	// AsShipped leaves the times as they are installed.
	AsShipped bool
}

// ErrMissing is returned where a program is not installed.
var ErrMissing = errors.New("prometheus and prometheus-alertmanager are not installed")

// Stack is a running Prometheus and Alertmanager.
type Stack struct {
	Prometheus, Alertmanager string // host:port
	processes                []*process
}

// Start starts both and returns once they are ready. Close ends them.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, o Options) (err error) {
	if s.Alertmanager, err = StartAlertmanager(ctx, o, s); err != nil {
		return err
	}
	if s.Prometheus, err = freeAddress(); err != nil {
		return err
	}
	dir := filepath.Join(o.Dir, "prometheus")
	rules, err := filepath.Glob(filepath.Join(o.Deploy, "prometheus/rules/*.yaml"))
	if err != nil || len(rules) == 0 {
		return fmt.Errorf("rules: %d files, %w", len(rules), err)
	}
	for _, path := range rules {
		var quick []replacement
		if filepath.Base(path) == "anomalies.yaml" && !o.AsShipped {
			quick = []replacement{{"keep_firing_for: 2m", "keep_firing_for: 2s"}, {"interval: 10s", "interval: 500ms"}}
		}
		if err := change(path, filepath.Join(dir, "rules", filepath.Base(path)), quick); err != nil {
			return err
		}
	}
	times := []replacement{{"scrape_interval: 30s", "scrape_interval: 500ms"}, {"scrape_interval: 10s", "scrape_interval: 500ms"}, {"evaluation_interval: 30s", "evaluation_interval: 500ms"}}
	if o.AsShipped {
		times = nil
	}
	if err := change(filepath.Join(o.Deploy, "prometheus/prometheus.yml"), filepath.Join(dir, "prometheus.yml"), append(times, []replacement{
		{"127.0.0.1:9093", s.Alertmanager}, {"127.0.0.1:9108", o.Target}, {"127.0.0.1:9109", o.Notify}, {"127.0.0.1:9090", s.Prometheus},
	}...)); err != nil {
		return err
	}
	p, err := run("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+s.Prometheus, "--rules.alert.resend-delay=1s", "--log.level=warn")
	if err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	return p.ready(ctx, "http://"+s.Prometheus+"/-/ready")
}

// StartAlertmanager starts only the Alertmanager of a stack, which Close ends,
// and returns its host:port.
func StartAlertmanager(ctx context.Context, o Options, s *Stack) (string, error) {
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(o.Dir, "alertmanager")
	times := []replacement{{"group_wait: 30s", "group_wait: 1s"}, {"group_wait: 10s", "group_wait: 1s"}, {"group_interval: 5m", "group_interval: 2s"}, {"group_interval: 15s", "group_interval: 1s"}}
	if o.AsShipped {
		times = nil
	}
	if err := change(filepath.Join(o.Deploy, "alertmanager/alertmanager.yml"), filepath.Join(dir, "alertmanager.yml"), append(times, replacement{"127.0.0.1:9109", o.Notify})); err != nil {
		return "", err
	}
	p, err := run("prometheus-alertmanager", "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=warn")
	if err != nil {
		return "", err
	}
	s.processes = append(s.processes, p)
	return address, p.ready(ctx, "http://"+address+"/-/ready")
}

// Log returns what the programs have said.
func (s *Stack) Log() string {
	var all strings.Builder
	for _, p := range s.processes {
		all.WriteString(p.log.String())
	}
	return all.String()
}

// Close ends the programs.
func (s *Stack) Close() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.close())
	}
	s.processes = nil
	return errors.Join(errs...)
}

type replacement struct{ old, new string }

// change copies a file with replacements, all of which must be found. They are
// made in one pass: what one puts in, another does not touch.
func change(from, to string, replacements []replacement) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var pairs []string
	for _, r := range replacements {
		if !bytes.Contains(data, []byte(r.old)) {
			return fmt.Errorf("%s: %q is not in it", from, r.old)
		}
		pairs = append(pairs, r.old, r.new)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o644)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// process is a program that was started.
type process struct {
	cmd   *exec.Cmd
	log   *safeBuffer
	ended chan struct{}
}

func run(name string, args ...string) (*process, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	p := &process{cmd: exec.Command(path, args...), log: &safeBuffer{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the program
		_ = p.cmd.Wait() // it was told to end, or ready says that it did
		close(p.ended)
	}()
	return p, nil
}

// ready waits until an address answers 200.
func (p *process) ready(ctx context.Context, address string) error {
	for {
		if answer, err := http.Get(address); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.cmd.Path, ctx.Err(), p.log)
		case <-p.ended:
			return fmt.Errorf("%s ended:\n%s", p.cmd.Path, p.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *process) close() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return nil
}

// safeBuffer is a buffer that is written and read at once.
type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
