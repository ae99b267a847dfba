package fleet

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"pushtrain/deploy/host"
)

// This file says in one line what went wrong, and what to do, where ssh and
// rsync only have codes and habits.

// sshError is an ssh that ended badly.
type sshError struct {
	addr string
	exit int    // 255 = ssh itself; another one is the remote command's; -1 = killed
	said string // the end of its stderr
}

func (e *sshError) Error() string {
	has := func(s string) bool { return strings.Contains(e.said, s) }
	switch {
	case e.exit == host.Unplaced:
		return "pushtrain can't be put there: " + last(e.said)
	case e.exit == 126 || e.exit == 127:
		return "pushtrain can't be run there: " + last(e.said)
	case has("REMOTE HOST IDENTIFICATION HAS CHANGED"), has("does not match the one recorded"):
		return "its host key has changed: it was reinstalled, or something else answers for it; compare, then ssh-keygen -R " + e.addr
	case has("REVOKED HOST KEY"):
		return "its host key is revoked in known_hosts"
	case has("Host key verification failed"), has("host key is known for"):
		return fmt.Sprintf("its host key is not in known_hosts: run ssh-keyscan %s, compare it with the host's own, add it", e.addr)
	case has("Permission denied"):
		return "permission denied: put this machine's public key into its authorized_keys"
	case has("Could not resolve hostname"):
		return fmt.Sprintf("unreachable: there is no host %q", e.addr)
	case has("Connection refused"):
		return "unreachable: connection refused; is sshd running there?"
	case has("timed out"), has("Timeout, server"), has("No route to host"), has("Network is unreachable"):
		return "unreachable: " + last(e.said)
	case e.said != "":
		return "the session was lost: " + last(e.said)
	}
	return fmt.Sprintf("the session was lost (exit status %d)", e.exit)
}

// last returns the last line of text that says anything.
func last(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexAny(text, "\r\n")+1:])
}

// tail keeps the end of what is written to it, printable. Any goroutine may use it.
type tail struct {
	mu    sync.Mutex
	buf   []byte
	n     int64  // bytes written
	flood func() // called when they are more than floodMax; nil = nobody minds
}

const (
	tailMax  = 4 << 10
	floodMax = 1 << 20 // no session has as much to complain about
)

// flooded reports whether more was written than anybody reads.
func (t *tail) flooded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n > floodMax
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n += int64(len(p)); t.n > floodMax && t.flood != nil {
		t.flood()
	}
	t.buf = append(t.buf, p[max(0, len(p)-tailMax):]...)
	t.buf = t.buf[max(0, len(t.buf)-tailMax):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return -1
	}, strings.ReplaceAll(string(t.buf), "\r", "\n"))
}

// lines returns the last five lines.
func (t *tail) lines() []string {
	all := strings.FieldsFunc(t.String(), func(r rune) bool { return r == '\n' })
	return all[max(0, len(all)-5):]
}

// rsyncReason says what an exit status of rsync means.
func rsyncReason(exit int, said, root string, stall time.Duration) string {
	has := func(s string) bool { return strings.Contains(said, s) }
	why := last(firstError(said))
	switch {
	case has("No space left on device"):
		return fmt.Sprintf("the disk of %s is full: make room and ship again", root)
	case has("Disk quota exceeded"):
		return fmt.Sprintf("the quota of %s is used up: make room and ship again", root)
	case has("Read-only file system"):
		return fmt.Sprintf("the file system of %s is read-only", root)
	case has("Permission denied"):
		return "rsync may not write there: " + why
	case exit == 30 || exit == 35:
		return fmt.Sprintf("rsync heard nothing for %s and gave up", stall)
	case exit == 255 || exit == 12:
		return "rsync lost its connection: " + why
	case exit == 127 || has("rsync: command not found") || has("rsync: not found"):
		return "rsync is missing there: install it (Debian: apt-get install rsync)"
	}
	return fmt.Sprintf("rsync ended with status %d: %s", exit, why)
}

// firstError returns the line that rsync complained with first: later ones only sum up.
func firstError(said string) string {
	for line := range strings.SplitSeq(said, "\n") {
		if strings.HasPrefix(line, "rsync: ") || strings.HasPrefix(line, "rsync error: ") || strings.HasPrefix(line, "ssh: ") {
			return line
		}
	}
	return said
}
