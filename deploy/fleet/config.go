package fleet

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"pushtrain/deploy/release"
)

// Config says where releases come from and go to.
type Config struct {
	Dir       string // the folder of the releases' archives, one folder a stack below it
	SSHConfig string // an ssh_config(5) file; "" = the user's own
	Lean      bool   // ssh's cheaper algorithms come first, where no ssh_config chooses any
	Helper    string // the pushtrain binary that is put on hosts; "" = this program
	Parallel  int    // hosts filled at once; 0 = 8
	Stacks    []Stack
}

// Stack is a thing that is deployed on its own.
type Stack struct {
	Name   string
	Root   string // holds yin, yang and current on every host
	Source release.Source
	Drain  time.Duration // how long a side that was left may have readers
	Keep   int           // releases in the archive; 0 = release's default
	Stages []Stage
}

// Stage is one step of a stack's way.
type Stage struct {
	Name  string
	Hosts []Host
	Test  []string // argv, run in the checkout; empty = there are no tests
	Check []string // argv, run in the checkout on this machine after the flip; empty = there is none
	Pull  []string // argv, run likewise with PUSHTRAIN_HOST: takes that host out of the pool

	// AfterFlip is argv, run on every host, in its root, after each flip there, also
	// one back, and before the host's Confirm is answered; empty = there is none. It
	// has host.AfterTime, and may be run more than once. Where it fails, the Confirm does.
	AfterFlip []string
}

// Host is one docroot.
type Host struct {
	Name  string
	Addr  string // what ssh connects to: a host, user@host or an alias of ssh_config; "" = Name
	Root  string // "" = the stack's
	Local bool   // a folder of this machine: no ssh
}

// link returns the way to h for a stack, or why there can be none.
func (h Host) link(s Stack) (*link, error) {
	l := &link{
		stack: s.Name, host: h.Name, drain: s.Drain,
		addr: cmp.Or(h.Addr, h.Name), root: cmp.Or(h.Root, s.Root), local: h.Local,
		turn: make(chan struct{}, 1),
	}
	switch {
	case h.Name == "":
		return nil, fmt.Errorf("%s has a host without a name", s.Name)
	case strings.HasPrefix(l.addr, "-") || strings.ContainsFunc(l.addr, unsafeRune) || strings.Contains(l.addr, " "):
		return nil, fmt.Errorf("host %s: %q is no ssh destination", h.Name, l.addr)
	case !filepath.IsAbs(l.root) || filepath.Clean(l.root) != l.root || l.root == "/" || strings.ContainsFunc(l.root, unsafeRune):
		return nil, fmt.Errorf("host %s: root %q must be an absolute, clean path other than /", h.Name, l.root)
	}
	return l, nil
}

// unsafeRune reports control characters, and the two that shells quote differently.
func unsafeRune(r rune) bool { return r < ' ' || r == 0x7f || r == '\'' || r == '\\' }
