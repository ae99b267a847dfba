package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pushtrain/deploy"
)

// noWriter refuses while an rsync that was not told of its bot's end is still at
// work in side: nobody knows what it will write, or when. An rsync that only reads is none.
func (s *session) noWriter(side deploy.Side) error {
	root, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return err
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, proc := range procs {
		// A process that has just ended, or is another user's, is passed over.
		if name, err := os.ReadFile(proc + "/comm"); err != nil || string(name) != "rsync\n" {
			continue
		}
		dir, err := os.Readlink(proc + "/cwd")
		if err != nil || dir != filepath.Join(root, string(side)) {
			continue
		}
		if argv, err := os.ReadFile(proc + "/cmdline"); err != nil || strings.Contains(string(argv), "\x00--sender\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil {
			continue // unreachable: the pattern starts with a digit, and /proc has no other such names
		}
		return refuse(Locked, "an rsync of an earlier rollout is still at work in %s: it ends by itself, or kill %d", dir, pid)
	}
	return nil
}
