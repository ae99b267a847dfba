package fleet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pushtrain/deploy/release"
)

// progressEvery is how often a host's progress is told at most.
const progressEvery = 200 * time.Millisecond

// transfer is one run of rsync.
type transfer struct {
	host     string
	root     string
	tree     string        // what is sent
	side     string        // the folder that it goes to
	shell    string        // ssh.transport of the session; "" = a folder of this machine
	stall    time.Duration // how long the host may take no byte
	checksum bool          // compare contents: where times and sizes did not tell
}

// rsyncError is an rsync that did not do its work.
type rsyncError struct {
	exit   int
	reason string
	tail   []string
}

func (e *rsyncError) Error() string { return e.reason }

// again reports whether the same rsync may do better: a protocol that broke off,
// a time-out, a connection that was lost.
func (e *rsyncError) again() bool {
	return e.exit == 12 || e.exit == 30 || e.exit == 35 || e.exit == 255
}

func (t transfer) args() []string {
	args := []string{"-rlpt", "--delete", fmt.Sprintf("--timeout=%d", int(max(time.Second, t.stall).Seconds())), "--info=progress2", "--no-inc-recursive", "--outbuf=L"}
	if t.checksum {
		args = append(args, "--checksum")
	}
	to := t.side + "/"
	if t.shell != "" {
		// The session's socket is the only way: the name is not looked up.
		protect := "--protect-args"
		if plain(t.side) {
			protect = "--no-protect-args" // a host with a forced command is to see what is asked for
		}
		args = append(args, protect, "-e", t.shell)
		to = "session:" + to
	}
	return append(args, "--", t.tree+"/", to)
}

// plain reports whether any shell and any rsync take the path as it stands.
func plain(path string) bool {
	return !strings.ContainsFunc(path, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/+,=@%-", r))
	})
}

// run sends the tree. Its error is an *rsyncError, or says that rsync is missing here.
func (t transfer) run(ctx context.Context, out func(Line)) error {
	cmd := process(ctx, "rsync", t.args()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it tidies up, here and there
	cmd.WaitDelay = 5 * time.Second
	say := func(text string, loud bool) { out(Line{Host: t.host, Text: text, Percent: -1, Err: loud}) }
	said := release.NewLines(func(line string) { say(line, true) })
	var stderr tail
	cmd.Stderr = io.MultiWriter(&stderr, said)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		return errors.New("rsync is missing on this machine: install it (Debian: apt-get install rsync)")
	} else if err != nil {
		return fmt.Errorf("start rsync: %w", err)
	}
	began := time.Now()
	say(release.Began(cmd.Args), false)
	t.progress(stdout, out)
	err = cmd.Wait()
	said.End()
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	say(release.Ended(cmd.Args[:1], time.Since(began), err), false)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	exit := cmd.ProcessState.ExitCode()
	return &rsyncError{exit: exit, reason: rsyncReason(exit, stderr.String(), t.root, t.stall), tail: stderr.lines()}
}

// progress tells how far rsync is until it says no more.
func (t transfer) progress(r io.Reader, out func(Line)) {
	said := time.Time{}
	lines := bufio.NewScanner(r)
	lines.Split(splitProgress)
	for lines.Scan() {
		percent := percentOf(lines.Text())
		if percent < 0 || percent < 100 && time.Since(said) < progressEvery {
			continue
		}
		said = time.Now()
		out(Line{Host: t.host, Percent: percent})
	}
	_, _ = io.Copy(io.Discard, r) // a line that is too long must not stop rsync
}

// percentOf finds the percentage in a line like "40,000  12%  19.07MB/s  0:00:00"; -1 = there is none.
func percentOf(line string) int {
	for _, word := range strings.Fields(line) {
		if p, ok := strings.CutSuffix(word, "%"); ok {
			if n, err := strconv.Atoi(p); err == nil && n >= 0 && n <= 100 {
				return n
			}
		}
	}
	return -1
}

// splitProgress splits at \r and \n: rsync ends a line of progress with the former.
func splitProgress(data []byte, eof bool) (int, []byte, error) {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		return i + 1, data[:i], nil
	}
	if eof && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
