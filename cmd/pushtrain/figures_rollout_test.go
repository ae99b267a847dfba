package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet/fleettest"
)

// rollouts are trees on their way to hosts: by a bot that keeps its sessions, asked
// through its socket; and by the other ways, to another root of the same hosts.
func (f *figures) rollouts(t *testing.T) {
	if !f.full {
		f.race(t, 2, 200, "")
		f.flat(t, []int{1, 2}, 20)
		f.options(t, 1, 20)
		return
	}
	for _, n := range []int{1, 4, 16, 32} {
		t.Run(fmt.Sprintf("%d hosts", n), func(t *testing.T) { f.race(t, n, 10_000, memory) })
	}
	t.Run("disk", func(t *testing.T) { f.race(t, 4, 10_000, "") })
	t.Run("flat", func(t *testing.T) { f.flat(t, []int{4, 16, 64}, 1000) })
	t.Run("options", func(t *testing.T) { f.options(t, 16, 1000) })
}

// options are what the settings do that a person may turn.
func (f *figures) options(t *testing.T, n, files int) {
	for i, o := range []struct{ name, ssh, top string }{
		{"as they are", "", ""},
		{"ssh.lean: true", "lean: true, ", ""},
		{"ssh.parallel: 1", "parallel: 1, ", ""},
		{"ssh.parallel: 16", "parallel: 16, ", ""},
		{"build_dir in memory", "", fmt.Sprintf("build_dir: %q\n", memory+"/pushtrain-figures")},
	} {
		if !f.full && o.top == "" {
			continue // one is enough to see that it is the option
		}
		t.Run(o.name, func(t *testing.T) {
			if f.full {
				t.Setenv("TMPDIR", memory)
			}
			t.Cleanup(func() { os.RemoveAll(memory + "/pushtrain-figures") })
			r := f.newRunner(t, n, files, o.ssh, o.top)
			var known, changed, cold legs
			r.version()
			for range f.pick(3, 1) {
				r.wipe("web")
				known = append(known, r.version())
				r.version()
				changed = append(changed, r.version())
				for _, h := range r.hosts.Names {
					r.hosts.Cut(h)
				}
				cold = append(cold, r.ask(r.deploy))
			}
			group := ""
			if i == 0 || !f.full {
				group = fmt.Sprintf("%d files to %d hosts: the options", r.release.Files, n)
			}
			f.add(group, o.name, "first %.2f s | 1 %% changed %.2f s | nothing changed, but to log in %.2f s | build %.2f s", quantile(known.of(tookOf), 50).Seconds(),
				quantile(changed.of(tookOf), 50).Seconds(), quantile(cold.of(tookOf), 50).Seconds(), quantile(changed.of(buildOf), 50).Seconds())
		})
	}
}

// memory is a folder that is on no disk: hosts would not share one.
const memory = "/dev/shm"

// race has all ways take a tree to n hosts, whose docroots are below dir; "" = on the disk.
//
// First pushtrain ships version after version, then the other ways ship the same
// ones, and both find the side that they fill two versions old, as it is in practice.
func (f *figures) race(t *testing.T, n, files int, dir string) {
	where := f.disk
	if dir != "" {
		t.Setenv("TMPDIR", dir)
		where = kind(t, dir)
	}
	r := f.newRunner(t, n, files, "", "")
	reps := f.pick(5, 1)

	var first, known, second, changed, nothing, warm, cold legs
	r.version() // memory that the machine has not used yet is slow
	r.forget()
	first = append(first, r.version())
	var plain, lean []time.Duration
	for range f.pick(3, 1) { // by turns: a machine has its slow minutes
		r.wipe("web") // there is not room for both in memory
		plain = append(plain, r.tar(plainTar))
		lean = append(lean, r.tar(tarball))
		known = append(known, r.ask(r.deploy)) // built already, so that both find the memory as it was just given back
	}
	second = append(second, r.version())
	for range reps {
		changed = append(changed, r.version())
	}
	for range reps {
		nothing = append(nothing, r.ask(r.deploy))
	}
	back := bot.Request{Do: "rollback", By: "figures", Stack: "web", Stage: "princess", Text: "figures", Follow: true}
	r.deploy.Override = "figures" // a rollback holds its stack
	for range reps {
		warm = append(warm, r.ask(back), r.ask(r.deploy)) // which holds it still
	}
	for range f.pick(2, 1) {
		for _, h := range r.hosts.Names {
			r.hosts.Cut(h)
		}
		cold = append(cold, r.ask(back), r.ask(r.deploy))
	}
	warm, cold = warm.even(), cold.even()
	ram := memoryOf(t, r.pid)

	r.wipe("web")
	began := make(map[string][]time.Duration)
	r.theirs(tarball, r.shipped[0])
	r.theirs(eight, r.shipped[1])
	var looks []time.Duration
	all := ways(n, *withPeers)
	for _, w := range all {
		if w.own {
			r.theirs(w, r.shipped[1])
		}
	}
	turn := 2
	for range f.pick(3, 1) {
		for _, w := range all {
			began[w.name] = append(began[w.name], r.theirs(w, r.shipped[zigzag(turn, len(r.shipped))]))
			turn++
		}
		looks = append(looks, walk(t, r.hosts))
	}

	f.add(fmt.Sprintf("%d files, %.0f MB, to %d hosts behind sshd, docroots on %s: %d cores for all of them", r.release.Files, float64(r.release.Bytes)/1e6, n, where, runtime.NumCPU()),
		"columns", "seconds from the built release to the end, proved and synced | others, in brackets pushtrain : it; they prove and sync nothing")
	others := func(ours time.Duration) string {
		var b strings.Builder
		for _, w := range all {
			d := quantile(began[w.name], 50)
			fmt.Fprintf(&b, " | %s %.2f (%.2f)", w.name, d.Seconds(), ratio(ours, d))
		}
		return b.String()
	}
	took := func(l legs) time.Duration { return quantile(l.of(tookOf), 50) }
	look := quantile(looks, 50)
	whole := func(l legs) string {
		p, q := quantile(plain, 50), quantile(lean, 50)
		return fmt.Sprintf("%.2f | one tar to each %.2f (%.2f) | the same over lean ssh %.2f (%.2f)", took(l).Seconds(), p.Seconds(), ratio(took(l), p), q.Seconds(), ratio(took(l), q))
	}
	f.add("", "first, to hosts never seen before", "%s", whole(first))
	f.add("", "first, the helper is there", "%s", whole(known))
	f.add("", "second, the other side is empty", "%s", whole(second))
	f.add("", fmt.Sprintf("1 %% changed (and 1 %% before), middle of %d", len(changed)), "%.2f%s", took(changed).Seconds(), others(took(changed)))
	f.add("", "nothing changed", "%.2f, %.2f of 1 %% | stat walk over lean ssh %.2f (%.2f)", took(nothing).Seconds(), ratio(took(nothing), took(changed)), look.Seconds(), ratio(took(nothing), look))
	f.add("", "rollback, from the command to the last flip", "sessions open %s | sessions lost %s", ms(quantile(warm.of(lastOf), 50)), ms(quantile(cold.of(lastOf), 50)))
	flips := slices.Concat(first, second, changed, warm)
	f.add("", fmt.Sprintf("first host flipped to last, %d flips", len(flips)), "middle %s, worst %s", ms(quantile(flips.of(skewOf), 50)), ms(quantile(flips.of(skewOf), 100)))
	f.add("", "build (git, archive), beside it", "%.2f", quantile(changed.of(buildOf), 50).Seconds())
	f.add("", "memory of the bot after it", "%s", ram)
	for _, l := range slices.Concat(first, known, second, changed, nothing, warm, cold) {
		t.Log(l)
	}
}

// zigzag is the turn's place in a walk to and fro over n.
func zigzag(turn, n int) int {
	if i := turn % (2*n - 2); i < n {
		return i
	} else {
		return 2*n - 2 - i
	}
}

// flat is what one host more costs.
func (f *figures) flat(t *testing.T, counts []int, files int) {
	var each []string
	var m memoryFigure
	var r *runner
	for _, n := range counts {
		t.Run(fmt.Sprintf("%d hosts", n), func(t *testing.T) {
			t.Setenv("TMPDIR", memory)
			r = f.newRunner(t, n, files, "", "")
			r.version()
			r.version()
			var changed legs
			for range f.pick(3, 1) {
				changed = append(changed, r.version())
			}
			each = append(each, fmt.Sprintf("%d hosts %.1f ms each", n, float64(quantile(changed.of(tookOf), 50))/1e6/float64(n)))
			m = memoryOf(t, r.pid)
		})
	}
	f.add(fmt.Sprintf("%d files, %.0f MB, 1 %% changed, to more and more hosts", r.release.Files, float64(r.release.Bytes)/1e6), "wall time a host", "%s", strings.Join(each, ", "))
	f.add("", fmt.Sprintf("memory of the bot with %d hosts (aim: under 100 MB)", counts[len(counts)-1]), "%s", m)
}

// runner is a bot with its hosts, and a tree that grows older.
type runner struct {
	t       testing.TB
	hosts   *fleettest.Hosts
	state   string
	pid     int
	code    *repo
	tree    *site
	deploy  bot.Request
	release deploy.Release    // the one shipped last
	shipped []string          // the ids of all versions, in their order
	side    string            // where /srv/peer is on
	peer    map[string]string // the release that a side of /srv/peer holds
}

// newRunner starts n hosts and a bot, with options for its ssh, and at the top of its configuration.
func (f *figures) newRunner(t *testing.T, n, files int, ssh, top string) *runner {
	server, watcher := room(t)
	state, err := os.MkdirTemp(f.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{t: t, hosts: fleettest.Start(t, n), state: state, code: newRepo(t), side: "yang", peer: map[string]string{},
		deploy: bot.Request{Do: "deploy", By: "figures", Stack: "web", Stage: "princess", Follow: true}}
	r.code.write("build", 0o755, "#!/bin/sh\nexec mv site dist\n")
	r.code.write("test", 0o755, "#!/bin/sh\nexit 0\n")
	r.tree = &site{t: t, dir: filepath.Join(r.code.dir, "site"), files: files}
	config := configText(server.Addr(), "#push", r.state, r.hosts.Config,
		stackText{name: "web", repo: r.code.dir, root: "/srv/web", princess: strings.Join(r.hosts.Names, ", "), prod: "unused", more: "    keep: 40\n"})
	config = top + strings.Replace(config, "ssh: {", "ssh: {"+ssh, 1)
	r.pid = f.serve(t, config[:strings.Index(config, "      - {name: prod")], watcher)
	for _, h := range r.hosts.Names {
		for _, root := range []string{"web", "peer/yin", "peer/yang"} {
			if err := os.MkdirAll(filepath.Join(r.hosts.Srv(h), root), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

// leg is one rollout.
type leg struct {
	name  string
	build time.Duration // before any host is asked
	hosts time.Duration // from then to the end
	skew  time.Duration // from the first host's flip to the last's
	last  time.Duration // from the command to the last flip
	cpu   time.Duration // of all processes, from then to the end; 0 = not counted
	steps []step
}

// step says when a rollout entered a state.
type step struct {
	state string
	at    time.Duration
}

func (l leg) String() string {
	var b strings.Builder
	for _, s := range l.steps {
		fmt.Fprintf(&b, "%s at %.3f s, ", s.state, s.at.Seconds())
	}
	return fmt.Sprintf("%s: %sover at %.3f s; skew %s, last flip at %s, CPU %.3f s", l.name, &b, (l.build + l.hosts).Seconds(), ms(l.skew), ms(l.last), l.cpu.Seconds())
}

type legs []leg

func (all legs) of(f func(leg) time.Duration) (out []time.Duration) {
	for _, l := range all {
		out = append(out, f(l))
	}
	return out
}

// even returns every other leg, from the first on.
func (all legs) even() (out legs) {
	for i := 0; i < len(all); i += 2 {
		out = append(out, all[i])
	}
	return out
}

func buildOf(l leg) time.Duration { return l.build }
func tookOf(l leg) time.Duration  { return l.hosts }
func skewOf(l leg) time.Duration  { return l.skew }
func lastOf(l leg) time.Duration  { return l.last }

// version has the next version of the tree built and taken to all hosts.
func (r *runner) version() leg {
	r.t.Helper()
	r.tree.next()
	r.code.commit(fmt.Sprintf("version %d", r.tree.version))
	l := r.ask(r.deploy)
	r.shipped = append(r.shipped, r.release.ID)
	return l
}

// ask has the bot do it.
func (r *runner) ask(req bot.Request) leg {
	r.t.Helper()
	syscall.Sync() // what is left of the one before
	l := leg{name: req.Do}
	var end bot.Reply
	start := time.Now()
	l.cpu = -cpuTime()
	code, err := bot.Call(context.Background(), r.state, req, func(reply bot.Reply) {
		if state, ok := strings.CutPrefix(reply.Line, "web/princess: "); ok && reply.Host == "" && state == strings.ToUpper(state) {
			l.steps = append(l.steps, step{state, time.Since(start)})
			if deploy.State(state) == deploy.Fencing && req.Do == "deploy" {
				l.build, l.cpu = time.Since(start), -cpuTime()
			}
		}
		end = reply
	})
	l.hosts = time.Since(start) - l.build
	l.cpu += cpuTime()
	if err != nil || code != 0 {
		r.t.Fatalf("%s: exit %d, %v: %+v", req.Do, code, err, end)
	}
	data, _ := end.Data.(map[string]any)
	release, _ := data["release"].(map[string]any)
	id, _ := release["ID"].(string)
	if l.build == 0 && req.Do == "deploy" || id == "" {
		r.t.Fatalf("%s: no build and no release in %+v, %+v", req.Do, l.steps, end)
	}
	files, _ := release["Files"].(float64)
	bytes, _ := release["Bytes"].(float64)
	r.release = deploy.Release{ID: id, Files: int(files), Bytes: int64(bytes)}
	first, last := r.flips("web")
	l.skew, l.last = last.Sub(first), last.Sub(start)
	r.same("web", id)
	return l
}

// archived returns the tree of a release, "" = of none.
func (r *runner) archived(id string) string {
	if id == "" {
		return ""
	}
	return filepath.Join(r.state, "releases", "web", "releases", id, "tree")
}

// cpuTime is what all processes of this one's control group have used, where
// PUSHTRAIN_CPUACCT names the file that counts it.
func cpuTime() time.Duration {
	b, err := os.ReadFile(os.Getenv("PUSHTRAIN_CPUACCT"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return time.Duration(n)
}

// wipe empties a root on every host.
func (r *runner) wipe(root string) {
	r.t.Helper()
	for _, h := range r.hosts.Names {
		dir := filepath.Join(r.hosts.Srv(h), root)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// forget makes hosts of which nobody has heard.
func (r *runner) forget() {
	r.t.Helper()
	r.wipe("web")
	for _, h := range r.hosts.Names {
		r.hosts.Cut(h)
		r.hosts.Run(h, "rm -r ~/.cache")
	}
}

// theirs has another way take a release to all hosts.
func (r *runner) theirs(w way, id string) time.Duration {
	r.t.Helper()
	g := going{hosts: r.hosts, side: "yin", new: r.archived(id), repo: r.code.dir, release: id, keep: r.state}
	if r.side == "yin" {
		g.side = "yang"
	}
	g.old = r.archived(r.peer[g.side])
	syscall.Sync()
	start := time.Now()
	cpu := cpuTime()
	w.run(r.t, g)
	took := time.Since(start)
	r.t.Logf("%s: %.3f s, CPU %.3f s", w.name, took.Seconds(), (cpuTime() - cpu).Seconds())
	if w.own {
		g.shows(r.t, w)
		return took
	}
	r.side, r.peer[g.side] = g.side, id
	r.same("peer", id)
	return took
}

// tar has the first release taken to all hosts, which hold nothing, in one of the ways of tar; nothing is left of it.
func (r *runner) tar(w way) time.Duration {
	r.t.Helper()
	took := r.theirs(w, r.shipped[0])
	r.wipe("peer/yin")
	r.wipe("peer/yang")
	clear(r.peer)
	return took
}

// flips returns when the first and the last host's link was changed: all hosts have one clock.
func (r *runner) flips(root string) (first, last time.Time) {
	r.t.Helper()
	var at []int64
	for _, h := range r.hosts.Names {
		info, err := os.Lstat(filepath.Join(r.hosts.Srv(h), root, "current"))
		if err != nil {
			r.t.Fatal(err)
		}
		at = append(at, info.Sys().(*syscall.Stat_t).Ctim.Nano())
	}
	return time.Unix(0, slices.Min(at)), time.Unix(0, slices.Max(at))
}

// same looks whether the hosts, some of many, serve the archived tree: all that rsync would
// change is nothing.
func (r *runner) same(root, id string) {
	r.t.Helper()
	names := r.hosts.Names
	if len(names) > 4 { // it takes its time
		names = []string{names[0], names[len(names)/2], names[len(names)-1]}
	}
	for _, h := range names {
		out, err := exec.Command("rsync", "-rlpn", "--size-only", "--delete", "--out-format=%i %n", r.archived(id)+"/", filepath.Join(r.hosts.Srv(h), root, "current")+"/").CombinedOutput()
		if err != nil || len(out) > 0 {
			r.t.Errorf("%s/%s does not serve %s: %v %s", h, root, id, err, out)
		}
	}
}
