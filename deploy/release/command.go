package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a command that was told to stop, or that left children
// behind which hold its output open, gets before it is killed.
const grace = 3 * time.Second

// tail is how many of a command's last lines an ExecError keeps.
const tail = 5

// Out takes the lines of commands, one call at a time, those of one stream in order.
type Out = func(line string, stderr bool)

// ExecError is a command that did not do its work.
type ExecError struct {
	Argv []string
	Exit int      // its exit status; -1 = it did not start, or a signal ended it
	Tail []string // the last lines of its output, at most 5
	Err  error    // why, for errors.Is and errors.As
}

// Error says it like make does: "make dist: exit status 2".
func (e *ExecError) Error() string { return Safe(strings.Join(e.Argv, " ")) + ": " + e.Err.Error() }

// Unwrap returns why.
func (e *ExecError) Unwrap() error { return e.Err }

// command is a process to run, in a group of its own.
type command struct {
	name []string // what errors call it; nil = argv
	argv []string
	dir  string
	env  []string // on top of this process's own, without what belongs to another git repository
	out  Out      // nil = nobody listens
	log  Out      // is told of its start and its end; nil = nobody is
}

// run runs the process, and tells the log of it.
func (c command) run(ctx context.Context) error {
	if c.name == nil {
		c.name = c.argv
	}
	if c.log == nil {
		return c.process(ctx)
	}
	began := time.Now()
	c.log(Began(c.argv), false)
	err := c.process(ctx)
	c.log(Ended(c.name, time.Since(began), err), false)
	return err
}

// process waits for the process and for all that it left behind in its group: the
// end of ctx stops the whole group, first with SIGTERM, then with SIGKILL.
func (c command) process(ctx context.Context) error {
	fail := &ExecError{Argv: c.name, Exit: -1}
	var mu sync.Mutex
	writer := func(stderr bool) *Lines {
		return &Lines{mu: &mu, emit: func(line string) {
			fail.Tail = append(fail.Tail, line)
			if len(fail.Tail) > tail {
				fail.Tail = fail.Tail[1:]
			}
			if c.out != nil {
				c.out(line, stderr)
			}
		}}
	}
	stdout, stderr := writer(false), writer(true)

	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(environ(), c.env...)
	if c.dir != "" {
		cmd.Env = append(cmd.Env, "PWD="+c.dir)
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// Told when this process dies: what goes on to write would meet its successor's.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace

	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // no such group: nothing was left behind
		stdout.End()
		stderr.End()
	}
	switch {
	case ctx.Err() != nil:
		fail.Err = fmt.Errorf("stopped: %w", context.Cause(ctx))
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil // ErrWaitDelay: it ended well, but a child kept its output open
	case errors.Is(err, exec.ErrNotFound) && c.argv[0] == "git":
		return errors.New("git is missing: apt-get install git")
	default:
		fail.Err = err
	}
	if cmd.ProcessState != nil {
		fail.Exit = cmd.ProcessState.ExitCode()
	}
	return fail
}

// ofOneRepository are the variables by which git hands a repository on to its
// children: they would turn our git to it, if we run in a hook.
var ofOneRepository = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS",
	"GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX",
	"GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE",
	"GIT_SHALLOW_FILE", "GIT_WORK_TREE",
}

// environ returns this process's environment without what ties git to one repository.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ofOneRepository, name)
	})
}
