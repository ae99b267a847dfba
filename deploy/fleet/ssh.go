package fleet

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy/host"
)

// ssh opens sessions on machines.
type ssh struct {
	config string
	lean   bool
	dir    string        // holds the control sockets; nobody else may look into it
	seq    atomic.Uint64 // names them
	helper func() (helper, error)
	usual  func() (map[string]string, error)
	logins chan struct{} // one for each host that is being logged in to
}

// loginMax is how many hosts are logged in to at the same time: with more, all
// wait for this machine's processors, and run out of time together.
const loginMax = 32

// socketMax is how long dir may be: a socket's path has little more than 100
// bytes, of which ssh wants 17 for a name of its own.
const socketMax = 64

func newSSH(config string, lean bool, program string) (*ssh, error) {
	parent := os.TempDir()
	if len(parent) > socketMax-16 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "pushtrain-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for ssh's sockets: %w", err)
	}
	c := &ssh{config: config, lean: lean, dir: dir, usual: sync.OnceValues(usual), logins: make(chan struct{}, loginMax)}
	c.helper = sync.OnceValues(func() (helper, error) { return identify(program) })
	return c, nil
}

// helper is the program that is put on hosts.
type helper struct {
	path string
	name string // on hosts; it says what is in it
	size int64
}

// identify returns the helper that a program is; "" = this one.
func identify(program string) (h helper, err error) {
	h.path = cmp.Or(program, "/proc/self/exe") // which is what runs, whatever stands at its path by now
	h.name, err = host.HelperName(h.path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(h.path); err == nil {
			h.size = info.Size()
		}
	}
	if err != nil {
		return helper{}, fmt.Errorf("read the program that is put on hosts: %w", err)
	}
	return h, nil
}

// args are the options of every ssh. What the user's own configuration says of
// users, keys, ports, jumps and ciphers stands; what would weaken a session does not.
func (c *ssh) args(more ...string) []string {
	var args []string
	if c.config != "" {
		args = append(args, "-F", c.config)
	}
	args = append(args, "-T", "-x", "-a")
	for _, o := range append(more,
		"BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
		"ConnectTimeout=5", "ConnectionAttempts=1", "ServerAliveInterval=5", "ServerAliveCountMax=3",
		"ClearAllForwardings=yes", "PermitLocalCommand=no", "RemoteCommand=none", "EscapeChar=none", "LogLevel=INFO",
		"ControlPersist=no") {
		args = append(args, "-o", o)
	}
	return args
}

// dial starts the helper on a host.
func (c *ssh) dial(ctx context.Context, addr, root string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h, err := c.helper()
	if err != nil {
		return nil, err
	}
	control := filepath.Join(c.dir, strconv.FormatUint(c.seq.Add(1), 36))
	// root is fit for it: see Host.link.
	args := append(c.args(append(c.prefer(ctx, addr), "ControlMaster=yes", "ControlPath="+control)...), "--", addr, host.SessionCommand(h.name, h.size, root))

	life, kill := context.WithCancel(context.Background())
	cmd := process(life, "ssh", args...)
	stderr := tail{flood: kill}
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		kill()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		kill()
		return nil, err
	}
	widen(in)
	if err := cmd.Start(); err != nil {
		kill()
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	wait := func() error {
		patience := time.AfterFunc(2*time.Second, kill)
		err := cmd.Wait()
		patience.Stop()
		kill()
		_ = os.Remove(control) // ssh has done so, unless it was killed
		switch {
		case stderr.flooded():
			return fmt.Errorf("it said more than %d bytes on stderr", floodMax)
		case err == nil:
			return nil
		}
		return &sshError{addr: addr, exit: cmd.ProcessState.ExitCode(), said: stderr.String()}
	}
	s := newSession(in, out, kill, wait)
	s.control = control
	if err := c.begin(ctx, s, h); err != nil {
		return nil, err
	}
	return s, nil
}

// begin waits for the host's word that the helper answers. Where it is not there,
// it is put there.
func (c *ssh) begin(ctx context.Context, s *session, h helper) error {
	var word string
	hear := func() error {
		line, err := s.line()
		word = string(line)
		return err
	}
	err := s.within(ctx, fenceTime, lateError(fenceTime), hear)
	if kind, absent := strings.CutPrefix(word, host.Absent); err == nil && absent {
		late := fmt.Errorf("copying pushtrain there took more than %s", installTime)
		err = s.within(ctx, installTime, late, func() error {
			if err := h.send(s.in, kind); err != nil {
				return err
			}
			return hear()
		})
	}
	if err == nil && word != host.Ready {
		err = s.lost(ctx, oddError(word))
	}
	return err
}

// send sends the helper to a host of this kind, as uname(1) says it, if it runs there.
func (h helper) send(to io.Writer, kind string) error {
	ours, err := machine()
	if err != nil {
		return err
	}
	if kind != ours {
		return fmt.Errorf("it is %s, and this pushtrain is for %s", oneLine(kind), ours)
	}
	f, err := os.Open(h.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(to, f); err != nil {
		return errEnded
	}
	return nil
}

// machine says what uname -sm says here.
func machine() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Machine[:]), nil
}

// transport is what rsync uses to reach the host of a session: that session, or nothing.
func (c *ssh) transport(control string) string {
	words := []string{"ssh"}
	for _, a := range append(c.args("ControlMaster=no", "ControlPath="+control, "ProxyCommand=false"), "--") {
		words = append(words, `"`+a+`"`)
	}
	return strings.Join(words, " ")
}

// process is a command that neither outlives this one nor hears its terminal's ^C.
func process(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	return cmd
}

// widen makes the pipe to a session wide.
func widen(in io.Writer) {
	f, ok := in.(syscall.Conn)
	if !ok {
		return
	}
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(host.Widen) // it goes without
	}
}
