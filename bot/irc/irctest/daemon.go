package irctest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// need skips a test without the program, or fails it where the environment
// variable CI is set.
func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, program+" is missing: apt-get install "+pkg)
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// daemon is a process that says in its output when it is ready. Its methods are
// for one goroutine.
type daemon struct {
	t   testing.TB
	cmd *exec.Cmd      // nil when it does not run
	log sync.WaitGroup // reads the output to its end
}

// start runs cmd and returns when a line of its output has the words of ready.
func (d *daemon) start(cmd *exec.Cmd, ready string) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd = cmd
	came := make(chan error, 1)
	d.log.Go(func() {
		var said []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if said = append(said, lines.Text()); strings.Contains(lines.Text(), ready) {
				select {
				case came <- nil:
				default:
				}
			}
		}
		select {
		case came <- errors.New(strings.Join(said, "\n")):
		default:
		}
	})
	select {
	case err = <-came:
	case <-time.After(Patience):
		err = fmt.Errorf("%s does not say %q", cmd.Path, ready)
	}
	if err != nil {
		d.Kill()
	}
	return err
}

// Stop ends the server in order: it says goodbye to everybody.
func (d *daemon) Stop() { d.end(syscall.SIGTERM) }

// Kill ends the server at once. Links end without a word.
func (d *daemon) Kill() { d.end(syscall.SIGKILL) }

func (d *daemon) end(with syscall.Signal) {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(with) // it may have ended by itself
	giveUp := time.AfterFunc(Patience, func() { _ = d.cmd.Process.Kill() })
	d.log.Wait()
	_ = d.cmd.Wait() // a signal is how it should end
	giveUp.Stop()
	d.cmd = nil
}

// Freeze stops the process: links stay open and nothing is answered.
func (d *daemon) Freeze() { d.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (d *daemon) Thaw() { d.signal(syscall.SIGCONT) }

func (d *daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatalf("signal %s: %v", d.cmd.Path, err)
	}
}
