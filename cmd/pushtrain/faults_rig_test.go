package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/bot"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/train"
)

// fleetSize is the number of hosts of the fault tests.
const fleetSize = 8

// faultRig is eight hosts with sshd behind wires, each with a small disk in memory
// that nginx serves from; a bot that stops at points, its journal on another such
// disk; and a witness who looks at all docroots the whole time.
type faultRig struct {
	t       testing.TB
	hosts   *fleettest.Hosts
	wires   map[string]*wire
	code    *repo
	state   string // the bot's, a disk of its own
	config  string // its configuration file
	stderr  *os.File
	bot     *process
	witness *witness
	turn    int               // whose turn it is to be the victim of a point without a host
	subject map[string]string // by release id: what its pages say
}

// faultTarget is what is shipped to the eight; spareTarget goes to the first three,
// and one of them may be left behind.
var (
	faultTarget = deploy.Target{Stack: "web", Stage: "prod"}
	spareTarget = deploy.Target{Stack: "spare", Stage: "all"}
)

func newFaultRig(t testing.TB) *faultRig {
	needForTest(t, "strace", "strace")
	r := &faultRig{t: t, hosts: fleettest.Start(t, fleetSize), wires: map[string]*wire{}, subject: map[string]string{}}
	var names, roots []string
	for _, name := range r.hosts.Names {
		r.hosts.Stop(name)
		smallDisk(t, r.hosts.Srv(name), "size=4m")
		r.hosts.Start(name)
		r.wires[name] = newWire(t, r.hosts.Addr(name))
		names, roots = append(names, name), append(roots, r.root(name))
	}
	r.code = newRepo(t)
	r.code.write("test", 0o755, "#!/bin/sh\nif grep -q slow dist/parts/1; then exec sleep 30; fi\n! grep -q untested dist/parts/1\n")
	r.code.write("smoke", 0o755, "#!/bin/sh\n! grep -q broken dist/parts/1\n")
	// The spare stack's tests make a flip of host-3 fail: they end when its side is sealed, and unsealed again.
	r.code.write("unseal", 0o755, fmt.Sprintf("#!/bin/sh\nuntil grep -q $PUSHTRAIN_RELEASE %[1]s/*.seal; do sleep 0.02; done 2>/dev/null\nrm %[1]s/*.seal\n",
		filepath.Join(r.spare("host-3"), ".pushtrain")))
	r.code.write("pull", 0o755, "#!/bin/sh\n")
	dir, err := os.MkdirTemp("", "faults") // a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r.state = filepath.Join(dir, "state")
	if err := os.Mkdir(r.state, 0o700); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, r.state, "size=32m,mode=700")
	if r.stderr, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
		t.Fatal(err)
	}
	r.config = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`irc: {server: "127.0.0.1:1", tls: false, channel: "#push", ops: [alice]}
state_dir: %q
ssh: {config: %q}
train: {idle: 1s}
stacks:
  - name: web
    root: /srv/web
    drain: 10ms
    keep: 2
    source: {repo: %q, build: [./build], tree: dist}
    stages:
      - {name: prod, hosts: [%s], test: [./test], check: [./smoke]}
      - {name: elsewhere, external: true}
  - name: spare
    root: /srv/spare
    drain: 10ms
    keep: 2
    source: {repo: %[3]q, build: [./build], tree: dist}
    stages:
      - {name: all, hosts: [host-1, host-2, host-3], test: [./unseal], max_quarantine: 1, pull: [./pull]}
`, r.state, sshConfig(t, dir, r.hosts.Config, names, r.wires), r.code.dir, strings.Join(names, ", "))
	mustConfig(t, text)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.bot != nil {
			r.bot.stop()
		}
		if said, _ := os.ReadFile(r.stderr.Name()); t.Failed() {
			t.Logf("the bots said: %s", said[max(0, len(said)-8<<10):])
		}
	})
	r.equip()
	r.start("")
	r.ship("")
	if err := r.quiet(); err != nil {
		t.Fatal(err)
	}
	r.witness = witnessOf(t, r.hosts.Names, roots, nginx(t, roots...))
	r.ship("") // so that there is a release to go back to
	if err := r.quiet(); err != nil {
		t.Fatal(err)
	}
	return r
}

// equip puts the helper on all hosts: by ssh on the first, as a rollout would, and
// from there by hand.
func (r *faultRig) equip() {
	r.t.Helper()
	cfg, err := loadConfigFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	first := fleetConfig(cfg)
	first.Dir = r.t.TempDir()
	first.Stacks = first.Stacks[:1]
	first.Stacks[0].Stages[0].Hosts = first.Stacks[0].Stages[0].Hosts[:1]
	f, err := fleet.Open(first)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range f.Status(r.t.Context(), faultTarget) {
		if s.Err != nil {
			r.t.Fatal(s.Err)
		}
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
	dir := r.t.TempDir()
	r.hosts.Run(r.hosts.Names[0], "cp -a ~/.cache "+dir)
	r.each(func(host string) { r.hosts.Run(host, "mkdir -p ~/.cache && cp -a "+dir+"/.cache/. ~/.cache/") })
}

// smallDisk mounts a file system of its own at dir until the test ends.
func smallDisk(t testing.TB, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a small tmpfs: %v: run the tests as root", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func (r *faultRig) root(host string) string { return filepath.Join(r.hosts.Srv(host), "web") }

func (r *faultRig) spare(host string) string { return filepath.Join(r.hosts.Srv(host), "spare") }

// victim is the host of a point, or the one whose turn it is.
func (r *faultRig) victim(point string) string {
	if host := hostOf(point); host != "" {
		return host
	}
	return r.hosts.Names[r.turn%len(r.hosts.Names)]
}

// start starts a bot that stops at a point.
func (r *faultRig) start(point string) {
	r.t.Helper()
	r.bot = startProcess(r.t, r.config, point, r.stderr)
	if point != "" {
		return // it may stop before it is up
	}
	select {
	case <-r.bot.up:
	case <-r.bot.gone:
		r.t.Fatalf("the bot did not come up: %v", r.bot.err)
	case <-time.After(patience):
		r.t.Fatal("the bot did not come up")
	}
}

// commit makes a commit whose pages say kind and a number.
func (r *faultRig) commit(kind string) {
	r.t.Helper()
	subject := fmt.Sprintf("r%s-%d", kind, len(r.subject)+1)
	r.code.commit(subject)
	r.subject[r.code.git("rev-parse", "HEAD")[:12]] = subject
}

// reply is what the shell is told at the end of a request.
type reply struct {
	exit  int
	lines []string
	err   error
}

// ask puts a request to the bot, as the shell does.
func (r *faultRig) ask(req bot.Request) reply {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var a reply
	req.By = "tester"
	if req.Stack == "" {
		req.Stack, req.Stage = faultTarget.Stack, faultTarget.Stage
	}
	a.exit, a.err = bot.Call(ctx, r.state, req, func(x bot.Reply) {
		if x.Line != "" {
			a.lines = append(a.lines, x.Line)
		}
	})
	return a
}

// deploy ships what was committed last, and waits for the outcome.
func (r *faultRig) deploy() reply {
	return r.ask(bot.Request{Do: "deploy", Override: "a fault test", Follow: true})
}

// shipped ships a new commit, which has to go live.
func (r *faultRig) shipped(kind string) error {
	r.commit(kind)
	if a := r.deploy(); a.exit != 0 || a.err != nil {
		return fmt.Errorf("a rollout without a fault ended with %d, %v: %v", a.exit, a.err, a.lines)
	}
	return nil
}

func (r *faultRig) ship(kind string) {
	r.t.Helper()
	if err := r.shipped(kind); err != nil {
		r.t.Fatal(err)
	}
}

// runs returns the rollouts that the bot has: those that go on, and STUCK ones.
func (r *faultRig) runs() (going, stuck int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var last bot.Reply
	if _, err := bot.Call(ctx, r.state, bot.Request{Do: "status"}, func(x bot.Reply) { last = x }); err != nil {
		return 0, 0, err
	}
	data, err := json.Marshal(last.Data)
	if err != nil {
		return 0, 0, err
	}
	var status struct{ Running []train.Run }
	if err := json.Unmarshal(data, &status); err != nil {
		return 0, 0, err
	}
	for _, run := range status.Running {
		if run.Stuck {
			stuck++
		} else {
			going++
		}
	}
	return going, stuck, nil
}

// settled waits until no rollout goes on, and reports whether one is STUCK.
func (r *faultRig) settled(within time.Duration) (stuck bool, err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(within); ; {
		going, stuck, err := r.runs()
		if err == nil && going == 0 {
			return stuck > 0, nil
		}
		select {
		case <-tick.C:
		case <-r.bot.gone:
			return false, fmt.Errorf("the bot ended: %v", r.bot.err)
		case <-deadline:
			return false, fmt.Errorf("%d rollouts still go on after %s (%v)", going, within, err)
		}
	}
}

// empty removes what folders hold.
func (r *faultRig) empty(dirs ...string) {
	r.t.Helper()
	for _, dir := range dirs {
		list, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, path := range list {
			if err := os.RemoveAll(path); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// each does f on all hosts at once.
func (r *faultRig) each(f func(host string)) {
	var all sync.WaitGroup
	for _, name := range r.hosts.Names {
		all.Go(func() { f(name) })
	}
	all.Wait()
}
