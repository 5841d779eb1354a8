// Package programtest helps tests that start programs and wait for them.
package programtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// wide lets so many tests of a package run beside each other instead of one a
// core, unless the command line says otherwise: these tests mostly wait for
// processes, acknowledgements and flushes.
func wide(tests int) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		_ = flag.Set("test.parallel", strconv.Itoa(tests))
	}
}

var (
	mu    sync.Mutex // guards given
	given = map[int]bool{}
)

// FreeAddr returns an address of this machine on which nobody listens. Its port
// is below those the system gives to outgoing connections, and is given once in
// a process, so that no other test takes it before the caller listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := 10_000 + rand.IntN(22_000)
		if given[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		given[port] = true
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("of 1,000 ports none is free")
	return ""
}

// Program is the program of the package under test, built at the first Path.
type Program struct {
	once sync.Once
	dir  string
	err  error
}

// Path returns the built program.
func (p *Program) Path(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "greencommunity-test"); p.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", p.file(), ".").CombinedOutput()
		if err != nil {
			p.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.file()
}

func (p *Program) file() string { return filepath.Join(p.dir, "program.exe") }

// Run runs the tests of the package, so many beside each other, removes the
// program and returns the code to exit with.
func (p *Program) Run(m *testing.M, beside int) int {
	wide(beside)
	defer func() {
		if p.dir != "" {
			os.RemoveAll(p.dir)
		}
	}()
	return m.Run()
}
