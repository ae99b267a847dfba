// Package fleettest starts real hosts for tests: each is an OpenSSH server on an
// address of its own in 127.0.1.0/24, in its own PID, mount and UTS namespaces.
//
// A host named host-2 answers at 127.0.1.2, has an empty home folder, and its
// /srv is a folder of the test's: use roots below /srv on the host, and [Hosts.Srv]
// to look at them from outside. The clock, /usr and /tmp are this machine's.
//
// It needs root, openssh-server and rsync. Without them a test is skipped, but
// fails where the environment has CI.
package fleettest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Hosts are running hosts. Its methods fail the test when they can't do their work.
type Hosts struct {
	Config     string   // an ssh_config(5) file that knows all hosts
	KnownHosts string   // their keys; edit it to make a host unknown
	Names      []string // host-1, host-2, …

	t    testing.TB
	dir  string
	port int
	run  map[string]*exec.Cmd // by name: the running ones
}

const sshd = "/usr/sbin/sshd"

// boot runs as root in the host's new namespaces: NAME, its /srv, its home, its sshd_config.
const boot = `hostname "$1" && mount --bind "$2" /srv && mount --bind "$3" ~ && cd / && exec ` + sshd + ` -D -e -f "$4"`

// Start starts n hosts, 1 to 99, and has them stopped when the test ends.
func Start(t testing.TB, n int) *Hosts {
	t.Helper()
	need(t)
	h := &Hosts{t: t, dir: t.TempDir(), run: map[string]*exec.Cmd{}}
	h.Config, h.KnownHosts = filepath.Join(h.dir, "ssh_config"), filepath.Join(h.dir, "known_hosts")
	t.Cleanup(func() {
		for name := range h.run {
			h.Stop(name)
		}
	})
	h.port = freePort(t, n)
	h.keygen(h.path("id"))
	h.must(os.MkdirAll("/run/sshd", 0o755)) // sshd insists on it
	var config, known strings.Builder
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("host-%d", i)
		h.Names = append(h.Names, name)
		h.must(os.MkdirAll(h.path(name, "home"), 0o700))
		h.must(os.MkdirAll(h.Srv(name), 0o755))
		h.keygen(h.path(name, "key"))
		pub, err := os.ReadFile(h.path(name, "key.pub"))
		h.must(err)
		fmt.Fprintf(&known, "%s %s", name, pub)
		fmt.Fprintf(&config, "Host %s\n\tHostName 127.0.1.%d\n\tHostKeyAlias %s\n", name, i, name)
		h.must(os.WriteFile(h.path(name, "sshd_config"), fmt.Appendf(nil,
			"ListenAddress 127.0.1.%d\nPort %d\nHostKey %s\nAuthorizedKeysFile %s\nAuthenticationMethods publickey\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n",
			i, h.port, h.path(name, "key"), h.path(name, "authorized_keys")), 0o600))
		h.Admit(name, "")
	}
	fmt.Fprintf(&config, "Host *\n\tUser root\n\tPort %d\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile none\n",
		h.port, h.path("id"), h.KnownHosts)
	h.must(os.WriteFile(h.KnownHosts, []byte(known.String()), 0o600))
	h.must(os.WriteFile(h.Config, []byte(config.String()), 0o600))
	for _, name := range h.Names {
		h.Start(name)
	}
	return h
}

func need(t testing.TB) {
	t.Helper()
	missing := ""
	if _, err := os.Stat(sshd); err != nil {
		missing = "sshd is missing: apt-get install openssh-server"
	} else if _, err := exec.LookPath("rsync"); err != nil {
		missing = "rsync is missing: apt-get install rsync"
	} else if os.Geteuid() != 0 {
		missing = "hosts have namespaces of their own: run the test as root"
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// freePort finds a port that is free on the addresses of all hosts.
func freePort(t testing.TB, n int) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", "127.0.1.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		first.Close()
		free := true
		for i := 1; i <= n && free; i++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:%d", i, port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no port is free on all addresses")
	return 0
}

// Admit sets the options of the tests' key on a host, as authorized_keys(5) has
// them; "" = none: the key may do anything.
func (h *Hosts) Admit(name, options string) {
	h.t.Helper()
	key, err := os.ReadFile(h.path("id.pub"))
	h.must(err)
	if options != "" {
		options += " "
	}
	h.must(os.WriteFile(h.path(name, "authorized_keys"), append([]byte(options), key...), 0o600))
}

// Srv returns the folder that the host has as /srv.
func (h *Hosts) Srv(name string) string { return h.path(name, "srv") }

// Addr returns the address and the port of a host's sshd.
func (h *Hosts) Addr(name string) string {
	return fmt.Sprintf("127.0.1.%s:%d", strings.TrimPrefix(name, "host-"), h.port)
}

// Start starts a host that was stopped.
func (h *Hosts) Start(name string) {
	h.t.Helper()
	cmd := exec.Command("unshare", "--fork", "--kill-child", "--pid", "--mount", "--uts", "--mount-proc",
		"sh", "-c", boot, "host", name, h.Srv(name), h.path(name, "home"), h.path(name, "sshd_config"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	h.must(err)
	h.must(cmd.Start())
	h.run[name] = cmd
	var said bytes.Buffer
	for lines := bufio.NewScanner(io.TeeReader(stderr, &said)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "Server listening") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the host
			return
		}
	}
	h.t.Fatalf("%s did not come up: %s", name, said.String())
}

// Stop kills all of a host at once: connections are refused, sessions die.
func (h *Hosts) Stop(name string) {
	h.t.Helper()
	cmd := h.run[name]
	if cmd == nil {
		return
	}
	delete(h.run, name)
	_ = syscall.Kill(h.pid(cmd), syscall.SIGKILL) // the namespace's init: the kernel ends the rest
	_ = cmd.Wait()                                // unshare ends when it has gone, and its port with it
}

// Hang freezes a host: connections are taken by the kernel, then nothing answers.
func (h *Hosts) Hang(name string) { h.t.Helper(); h.signal(name, syscall.SIGSTOP) }

// Resume ends Hang.
func (h *Hosts) Resume(name string) { h.t.Helper(); h.signal(name, syscall.SIGCONT) }

// Cut ends all ssh sessions of a host; new ones are taken.
func (h *Hosts) Cut(name string) {
	h.t.Helper()
	init := h.pid(h.run[name])
	for _, pid := range h.PIDs(name) {
		if pid != init {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
	}
}

// ReadOnly makes a host's /srv read-only.
func (h *Hosts) ReadOnly(name string) {
	h.t.Helper()
	h.Run(name, "mount -o remount,bind,ro /srv")
}

// Limit gives a host an empty /srv of so many bytes, which is seen on the host only.
func (h *Hosts) Limit(name string, bytes int64) {
	h.t.Helper()
	h.Run(name, fmt.Sprintf("mount -t tmpfs -o size=%d tmpfs /srv", bytes))
}

// Hide makes a program unusable on a host.
func (h *Hosts) Hide(name, program string) {
	h.t.Helper()
	path, err := exec.LookPath(program)
	h.must(err)
	h.Run(name, "mount --bind /dev/null "+path)
}

// Run runs a shell script as root in a host's mount namespace, without ssh, and returns its output.
func (h *Hosts) Run(name, script string) string {
	h.t.Helper()
	cmd := h.run[name]
	if cmd == nil {
		h.t.Fatalf("%s is stopped", name)
	}
	out, err := exec.Command("nsenter", "-t", strconv.Itoa(h.pid(cmd)), "-m", "sh", "-c", script).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %s: %v: %s", name, script, err, out)
	}
	return string(out)
}

func (h *Hosts) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

func (h *Hosts) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *Hosts) keygen(path string) {
	h.t.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path).CombinedOutput(); err != nil {
		h.t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

// pid returns the host's init, as seen from outside.
func (h *Hosts) pid(cmd *exec.Cmd) int {
	h.t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
	h.must(err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(list)))
	h.must(err)
	return pid
}

// PIDs returns all processes of a host, as they are numbered outside.
func (h *Hosts) PIDs(name string) []int {
	h.t.Helper()
	if h.run[name] == nil {
		h.t.Fatalf("%s is stopped", name)
	}
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.pid(h.run[name])))
	h.must(err)
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	h.must(err)
	var pids []int
	for _, path := range all {
		if at, err := os.Readlink(path); err == nil && at == space { // an error: it has ended
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2]) // the pattern has digits only
			pids = append(pids, pid)
		}
	}
	return pids
}

func (h *Hosts) signal(name string, sig syscall.Signal) {
	h.t.Helper()
	for _, pid := range h.PIDs(name) {
		_ = syscall.Kill(pid, sig) // it may have ended by itself
	}
}
