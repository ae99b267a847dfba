package host

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// hello answers who the host is.
func (s *session) hello(ctx context.Context, req Request, resp *Response) error {
	if req.Drain < 0 {
		return refuse(Bad, "drain %v is less than nothing", req.Drain)
	}
	s.drain = req.Drain
	resp.Version = Version
	resp.Rsync = s.rsyncVersion(ctx)
	resp.Helper = s.helper
	return nil
}

// hostname returns the host's name for messages.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}

// rsyncVersion is what rsyncVersion found when this session first asked while
// rsync is there: a rollback must not wait for a program on each host.
func (s *session) rsyncVersion(ctx context.Context) string {
	if _, err := exec.LookPath("rsync"); err != nil {
		return ""
	}
	if s.rsync == "" {
		s.rsync = rsyncVersion(ctx)
	}
	return s.rsync
}

// rsyncVersion returns rsync's version, "" = there is no rsync that runs.
func rsyncVersion(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "rsync", "--version")
	cmd.WaitDelay = time.Second
	b, err := cmd.Output() // "rsync  version 3.2.7  protocol version 31\n…"
	if err != nil {
		return ""
	}
	words := strings.Fields(string(b))
	if len(words) < 3 || words[1] != "version" {
		return ""
	}
	return oneLine(words[2])
}
