package serve

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"
)

// letGo gives back the pages of the program's own file that are not in use: its text
// and constants. The start needs 25 MB of them, the first messages some more, and
// the work 7 MB. The kernel maps 16 pages around each that is used again, from its
// cache, so that some 17 MB are resident seconds later: until ctx ends letGo does it
// again, after twice as long each time up to ten seconds. Each time costs 3 ms.
func letGo(ctx context.Context, log *slog.Logger) {
	for wait := 125 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		if err := letGoOfProgram(); err != nil {
			log.Debug("pages of the program stay resident", "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// letGoOfProgram gives back what is resident of the program's file now.
//
// A mapping is left alone where any page of it is not as in the file.
func letGoOfProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	var from, to uintptr // of the program's mapping that the lines are of; 0: of another
	changed := false
	free := func() error {
		if from == 0 || changed {
			return nil
		}
		if _, _, no := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED); no != 0 {
			return fmt.Errorf("madvise: %w", no)
		}
		return nil
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		var start, end uintptr
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %4s", &start, &end, &rights); n == 3 {
			if err := free(); err != nil {
				return err
			}
			from, to, changed = 0, 0, false
			if strings.HasSuffix(line, " "+program) && rights[0] == 'r' && rights[1] == '-' && rights[3] == 'p' {
				from, to = start, end
			}
			continue
		}
		name, size, _ := strings.Cut(line, ":")
		switch name {
		case "Anonymous", "Swap": // pages of our own
			changed = changed || strings.TrimSpace(size) != "0 kB"
		}
	}
	if err := free(); err != nil {
		return err
	}
	return lines.Err()
}
