package serve

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// letGoOfStart gives back the pages of the program's own file that only the start
// needed: its text and constants, 25 MB of some 40 that are resident then. What is
// used again the kernel maps again from its cache, 16 pages at a time.
//
// A mapping is left alone where any page of it is not as in the file.
func letGoOfStart() error {
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
