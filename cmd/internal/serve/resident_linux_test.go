package serve

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The program's pages that are not in use go, and it runs on.
func TestLetGoOfProgram(t *testing.T) {
	resident := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.Atoi(regexp.MustCompile(`RssFile:\s+(\d+)`).FindStringSubmatch(string(status))[1])
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	program, err := os.ReadFile("/proc/self/exe") // and so is in the cache
	if err != nil {
		t.Fatal(err)
	}
	before := resident()
	if err := letGoOfProgram(); err != nil {
		t.Fatal(err)
	}
	if after := resident(); after >= before {
		t.Errorf("%d KiB of files are resident, %d before, of a program of %d", after, before, len(program)>>10)
	}
}
