package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"

	"pushtrain/deploy/release"
)

// Config says where releases come from and go to.
type Config struct {
	Dir       string        // the folder of the releases' archives, one folder a stack below it
	Beside    bool          // it only asks for Checkup, while a bot may be at work: the archives stay as they are
	SSHConfig string        // an ssh_config(5) file; "" = the user's own
	Lean      bool          // a cheaper key exchange comes first, where no ssh_config chooses any: see lean
	Helper    string        // the pushtrain binary that is put on hosts; "" = this program
	Witness   func() string // what the journal says now, to be kept on each host that is flipped; nil = nothing is
	Parallel  int           // hosts filled at once; 0 = 8
	Stall     time.Duration // how long a host at work may take no byte and say nothing; 0 = 30 s
	Retries   int           // how often an rsync that broke off is run again
	BuildDir  string        // commits are checked out and built below it, best in memory; "" = below Dir
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

	// BeforeFlip and AfterFlip are argv, run on every host, in its root; empty = there
	// is none. They have host.HookTime, and may be run more than once. BeforeFlip is the
	// end of Verify, when the side holds the release and is not live yet. AfterFlip comes
	// after each flip, also one back, before Confirm is answered. Where one fails, that effect does.
	BeforeFlip []string
	AfterFlip  []string

	// What Follow follows: logs on every host, absolute paths, and what commands say that
	// do not end, one on every host, in its root, and one on this machine.
	WatchFiles       []string
	WatchHostCommand []string
	WatchCommand     []string
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
		stack: s.Name, host: h.Name, drain: s.Drain, stall: stallTime,
		addr: cmp.Or(h.Addr, h.Name), root: cmp.Or(h.Root, s.Root), local: h.Local,
		turn: make(chan struct{}, 1),
	}
	if err := CheckHost(h.Name); err != nil {
		return nil, fmt.Errorf("%s: host without a name of its own: %w", s.Name, err)
	}
	if err := CheckHost(l.addr); err != nil {
		return nil, fmt.Errorf("host %s: no ssh destination: %w", h.Name, err)
	}
	if err := CheckRoot(l.root); err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	return l, nil
}

// hostForm is a name or an address, perhaps with a user, that neither ssh nor what
// its configuration may run reads as anything else.
var hostForm = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_\[:][A-Za-z0-9_.:%\[\]-]*$`)

// CheckHost reports why s can't be the name of a host, or what ssh connects to.
func CheckHost(s string) error {
	if len(s) > 255 || !hostForm.MatchString(s) {
		return fmt.Errorf("%.60q is no host: use letters, digits and . _ -, or an address", s)
	}
	return nil
}

// rootForm is a path that every login shell takes verbatim in single quotes.
var rootForm = regexp.MustCompile(`^[\p{L}\p{M}\p{N} /._+,:@=~%#-]*$`)

// CheckRoot reports why root can't be one.
func CheckRoot(root string) error {
	switch {
	case len(root) > 1024:
		return errors.New("root is longer than 1024 bytes")
	case !filepath.IsAbs(root) || filepath.Clean(root) != root || root == "/":
		return fmt.Errorf("root %q must be an absolute, clean path other than /", root)
	case !rootForm.MatchString(root):
		return fmt.Errorf("root %q must be an absolute path of letters, digits, blanks and . _ + , : @ = ~ %% # -", root)
	}
	return nil
}
