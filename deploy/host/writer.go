package host

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// writerPatience is how long a writer that was told to end is waited for: one
// that hangs in the kernel, on a disk that does not answer, outlives a SIGKILL.
const writerPatience = 2 * time.Second

// writer is an rsync that is at work in a side.
type writer struct {
	pid int
	fd  int // pidfd: the process itself, whoever gets its number later; -1 = there is none to be had
}

// endWriters ends every rsync that is still at work in the sides that are not
// live. Whoever holds the lock has not started one yet: they were left by a bot
// that is gone, or by a try that has failed, and nobody knows what they will
// write, or when. It refuses when one does not go.
func (s *session) endWriters(live deploy.Side) error {
	deadline := time.Now().Add(writerPatience)
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		if side == live {
			continue
		}
		for { // one that forks while it is being ended is seen the next time
			left, err := s.writers(side)
			if err != nil {
				return err
			}
			if len(left) == 0 {
				break
			}
			for _, w := range left {
				_ = unix.PidfdSendSignal(w.fd, unix.SIGKILL, nil, 0) // it may have ended; one that may not be ended is waited for in vain
			}
			for _, w := range left {
				if !w.ended(time.Until(deadline)) && err == nil {
					err = s.atWork(side, w)
				}
				unix.Close(w.fd)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// noWriter refuses while an rsync is at work in side.
func (s *session) noWriter(side deploy.Side) error {
	left, err := s.writers(side)
	for _, w := range left {
		unix.Close(w.fd)
	}
	if err == nil && len(left) > 0 {
		err = s.atWork(side, left[0])
	}
	return err
}

func (s *session) atWork(side deploy.Side, w writer) error {
	return refuse(Writing, "an rsync of an earlier rollout is still at work in %s/%s: it ends by itself, or kill %d", s.path, side, w.pid)
}

// ended waits for the end of the process, and reports whether it came.
func (w writer) ended(patience time.Duration) bool {
	over, err := ready(w.fd, time.Now().Add(patience))
	return over && err == nil
}

// writers returns the rsyncs that write to side. The caller closes their fds.
func (s *session) writers(side deploy.Side) ([]writer, error) {
	root, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return nil, err
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	paths := []string{filepath.Join(s.path, string(side)), filepath.Join(root, string(side))}
	var all []writer
	for _, proc := range procs {
		// A process that has just ended, or is another user's, is passed over.
		if name, err := os.ReadFile(proc + "/comm"); err != nil || string(name) != "rsync\n" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil {
			continue // unreachable: the pattern starts with a digit, and /proc has no other such names
		}
		fd, err := unix.PidfdOpen(pid, 0) // before it is judged: what is judged is what is ended
		if err == unix.ESRCH {
			continue
		}
		if err != nil { // an old kernel, or a sandbox: it can't be ended, but it is seen
			fd = -1
		}
		argv, err := os.ReadFile(proc + "/cmdline")
		cwd, cwdErr := os.Readlink(proc + "/cwd")
		if err != nil || cwdErr != nil || !writesTo(paths, cwd, argv) {
			unix.Close(fd)
			continue
		}
		all = append(all, writer{pid, fd})
	}
	return all, nil
}

// writesTo reports whether the rsync of this command line, which is in the folder
// cwd, writes to the side that paths name. A receiver names its folder last, where
// it may be seen at all, and goes there when it has heard what will come.
func writesTo(paths []string, cwd string, cmdline []byte) bool {
	var argv []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(cmdline, []byte{0}), []byte{0}) {
		argv = append(argv, string(arg))
	}
	if slices.Contains(argv, "--sender") {
		return false // it only reads
	}
	last := len(argv) - 1
	if slices.Contains(paths, filepath.Clean(argv[last])) {
		return true
	}
	if !slices.Contains(paths, cwd) {
		return false
	}
	// One that copies from the side to somewhere else on this machine is in it too.
	return !slices.ContainsFunc(argv[1:max(1, last)], func(arg string) bool {
		return !strings.HasPrefix(arg, "-") && filepath.Base(filepath.Clean(arg)) == filepath.Base(paths[0])
	})
}
