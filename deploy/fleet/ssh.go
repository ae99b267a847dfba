package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	helper func() (path, name string, err error)
	usual  func() (map[string]string, error)
	logins chan struct{} // one for each host that is being logged in to
}

// loginMax is how many hosts are logged in to at the same time: with more, all
// wait for this machine's processors, and run out of time together.
const loginMax = 32

// socketMax is how long dir may be: a socket's path has little more than 100
// bytes, of which ssh wants 17 for a name of its own.
const socketMax = 64

func newSSH(config string, lean bool, helper string) (*ssh, error) {
	parent := os.TempDir()
	if len(parent) > socketMax-16 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "pushtrain-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for ssh's sockets: %w", err)
	}
	c := &ssh{config: config, lean: lean, dir: dir, usual: sync.OnceValues(usual), logins: make(chan struct{}, loginMax)}
	var once sync.Once
	var path, name string
	var fail error
	c.helper = func() (string, string, error) {
		once.Do(func() { path, name, fail = identify(helper) })
		return path, name, fail
	}
	return c, nil
}

// identify returns the helper binary, and its name on hosts, which says what is in it.
func identify(helper string) (path, name string, err error) {
	if helper == "" {
		if helper, err = os.Executable(); err != nil {
			return "", "", fmt.Errorf("find the program that is put on hosts: %w", err)
		}
	}
	if name, err = host.HelperName(helper); err != nil {
		return "", "", fmt.Errorf("read the program that is put on hosts: %w", err)
	}
	return helper, name, nil
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

// dial starts the helper on a host. Whether it runs, its first answer tells.
func (c *ssh) dial(ctx context.Context, addr, root string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, name, err := c.helper()
	if err != nil {
		return nil, err
	}
	control := filepath.Join(c.dir, strconv.FormatUint(c.seq.Add(1), 36))
	// root is fit for it: see Host.link.
	args := append(c.args(append(c.prefer(ctx, addr), "ControlMaster=yes", "ControlPath="+control)...), "--", addr, host.SessionCommand(name, root))

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
	return s, nil
}

// install puts the helper on a host of this machine's kind.
func (c *ssh) install(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, installTime, fmt.Errorf("copying pushtrain there took more than %s", installTime))
	defer cancel()
	path, name, err := c.helper()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	kind, err := machine()
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`exec sh -c 'kind=$(uname -sm)
if [ "$kind" != "%[1]s" ]; then echo "it is $kind, and this pushtrain is for %[1]s" >&2; exit 3; fi
umask 077 && cd && mkdir -p .cache/pushtrain && cd .cache/pushtrain || exit 4
t=.new-$$ && cat >$t && chmod 700 $t && mv -f $t %[2]s || { rm -f $t; exit 4; }'`, kind, name)
	cmd := process(ctx, "ssh", append(c.args(append(c.prefer(ctx, addr), "ControlMaster=no", "ControlPath=none")...), "--", addr, script)...)
	var stderr tail
	cmd.Stdin, cmd.Stderr = f, &stderr
	err = cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it was well done, and this machine is slow to see that nothing was said
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	e := &sshError{addr: addr, exit: cmd.ProcessState.ExitCode(), said: stderr.String()}
	if e.exit == 255 {
		return e
	}
	return fmt.Errorf("can't put pushtrain there: %s", cmp.Or(last(e.said), err.Error()))
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

// missing reports whether a session ended before its first answer because the
// helper is not there, can't be run, or is not whole: a login shell runs an empty
// file well, and of half a program that the kernel kills ssh says 255 and no word.
func missing(err error) bool {
	var e *sshError
	if !errors.As(err, &e) {
		return errors.Is(err, errEnded)
	}
	return e.exit == 126 || e.exit == 127 || e.exit == 255 && e.said == ""
}
