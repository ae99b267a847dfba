package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
		return
	}
	for _, n := range []int{1, 4, 16, 32} {
		t.Run(fmt.Sprintf("%d hosts", n), func(t *testing.T) { f.race(t, n, 10_000, "") })
	}
	t.Run("tmpfs", func(t *testing.T) { f.race(t, 4, 10_000, "/dev/shm") })
	t.Run("flat", func(t *testing.T) { f.flat(t, []int{4, 16, 64}, 1000) })
}

// race has all ways take a tree to n hosts, whose docroots are below dir; "" = on the disk.
//
// Every version goes to the hosts by pushtrain, and by one other way. So every way
// finds the side that it fills two versions old, as it is in practice.
func (f *figures) race(t *testing.T, n, files int, dir string) {
	where := f.disk
	if dir != "" {
		t.Setenv("TMPDIR", dir)
		where = kind(t, dir)
	}
	r := f.newRunner(t, n, files)
	began := make(map[string][]time.Duration)
	all := ways(n, f.full)

	var first, second, changed, nothing, warm, cold legs
	first = append(first, r.version())
	piped := r.pipe()
	second = append(second, r.version())
	r.theirs(eight)
	for range f.pick(3, 1) {
		for _, w := range all {
			changed = append(changed, r.version())
			began[w.name] = append(began[w.name], r.theirs(w))
		}
	}
	var looks []time.Duration
	for range f.pick(3, 1) {
		nothing = append(nothing, r.ask(r.deploy))
		syscall.Sync()
		looks = append(looks, walk(t, r.going()))
	}
	back := bot.Request{Do: "rollback", By: "figures", Stack: "web", Stage: "princess", Text: "figures", Follow: true}
	r.deploy.Override = "figures" // a rollback holds its stack
	for range f.pick(3, 1) {
		warm = append(warm, r.ask(back), r.version())
		for _, h := range r.hosts.Names {
			r.hosts.Cut(h)
		}
		cold = append(cold, r.ask(back), r.version())
	}
	warm, cold = warm.even(), cold.even()

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
	f.add("", "first", "%.2f, the first %.2f of it to put the helper there | one tar to each %.2f (%.2f)", took(first).Seconds(), (first[0].at(deploy.Preparing) - first[0].build).Seconds(), piped.Seconds(), ratio(took(first), piped))
	f.add("", "second, the other side is empty", "%.2f", took(second).Seconds())
	f.add("", fmt.Sprintf("1 %% changed (and 1 %% before), middle of %d", len(changed)), "%.2f%s", took(changed).Seconds(), others(took(changed)))
	f.add("", "nothing changed", "%.2f, %.2f of 1 %% | stat walk %.2f (%.2f)", took(nothing).Seconds(), ratio(took(nothing), took(changed)),
		quantile(looks, 50).Seconds(), ratio(took(nothing), quantile(looks, 50)))
	f.add("", "rollback, from the command to the last flip", "sessions open %s | sessions lost %s", ms(quantile(warm.of(lastOf), 50)), ms(quantile(cold.of(lastOf), 50)))
	flips := slices.Concat(first, second, changed, warm)
	f.add("", fmt.Sprintf("first host flipped to last, %d flips", len(flips)), "middle %s, worst %s", ms(quantile(flips.of(skewOf), 50)), ms(quantile(flips.of(skewOf), 100)))
	f.add("", "build (git, archive), beside it", "%.2f", quantile(changed.of(buildOf), 50).Seconds())
	f.add("", "memory of the bot after it", "%s", memoryOf(t, r.pid))
	for _, l := range slices.Concat(first, second, changed, nothing, warm, cold) {
		t.Log(l)
	}
}

// flat is what one host more costs.
func (f *figures) flat(t *testing.T, counts []int, files int) {
	var each []string
	var m memoryFigure
	var r *runner
	for _, n := range counts {
		t.Run(fmt.Sprintf("%d hosts", n), func(t *testing.T) {
			r = f.newRunner(t, n, files)
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

func (f *figures) newRunner(t *testing.T, n, files int) *runner {
	server, watcher := room(t)
	r := &runner{t: t, hosts: fleettest.Start(t, n), state: t.TempDir(), code: newRepo(t), side: "yang", peer: map[string]string{},
		deploy: bot.Request{Do: "deploy", By: "figures", Stack: "web", Stage: "princess", Follow: true}}
	r.code.write("build", 0o755, "#!/bin/sh\nexec mv site dist\n")
	r.code.write("test", 0o755, "#!/bin/sh\nexit 0\n")
	r.tree = &site{t: t, dir: filepath.Join(r.code.dir, "site"), files: files}
	config := configText(server.Addr(), "#push", r.state, r.hosts.Config,
		stackText{name: "web", repo: r.code.dir, root: "/srv/web", princess: strings.Join(r.hosts.Names, ", "), prod: "unused", more: "    keep: 20\n"})
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
	return fmt.Sprintf("%s: %sover at %.3f s; skew %s, last flip at %s", l.name, &b, (l.build + l.hosts).Seconds(), ms(l.skew), ms(l.last))
}

// at returns when the rollout entered a state; 0 = it never did.
func (l leg) at(s deploy.State) time.Duration {
	for _, step := range l.steps {
		if deploy.State(step.state) == s {
			return step.at
		}
	}
	return 0
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
	code, err := bot.Call(context.Background(), r.state, req, func(reply bot.Reply) {
		if state, ok := strings.CutPrefix(reply.Line, "web/princess: "); ok && reply.Host == "" && state == strings.ToUpper(state) {
			l.steps = append(l.steps, step{state, time.Since(start)})
			if deploy.State(state) == deploy.Fencing && req.Do == "deploy" {
				l.build = time.Since(start)
			}
		}
		end = reply
	})
	l.hosts = time.Since(start) - l.build
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

// going is what the next of the other ways is given.
func (r *runner) going() going {
	side := "yin"
	if r.side == "yin" {
		side = "yang"
	}
	return going{hosts: r.hosts, old: r.archived(r.peer[side]), new: r.archived(r.release.ID), side: side}
}

// theirs has another way take the present version to all hosts.
func (r *runner) theirs(w way) time.Duration {
	r.t.Helper()
	g := r.going()
	syscall.Sync()
	start := time.Now()
	w.run(r.t, g)
	took := time.Since(start)
	r.side, r.peer[g.side] = g.side, r.release.ID
	r.same("peer", r.release.ID)
	return took
}

// pipe fills the first side with one tar, piped to eight hosts at a time.
func (r *runner) pipe() time.Duration {
	return r.theirs(way{run: tarball.run})
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

// same looks whether every host serves the archived tree: all that rsync would
// change is nothing.
func (r *runner) same(root, id string) {
	r.t.Helper()
	for _, h := range r.hosts.Names {
		out, err := exec.Command("rsync", "-rlpn", "--size-only", "--delete", "--out-format=%i %n", r.archived(id)+"/", filepath.Join(r.hosts.Srv(h), root, "current")+"/").CombinedOutput()
		if err != nil || len(out) > 0 {
			r.t.Errorf("%s/%s does not serve %s: %v %s", h, root, id, err, out)
		}
	}
}
