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

// rollout is a tree on its way to many hosts: by a bot that keeps its sessions,
// asked through its socket; and, in turn with it, by xargs, rsync and ssh to
// another root of the same hosts, with the same tree, sides and link.
func (f *figures) rollout(t *testing.T) {
	server, watcher := room(t)
	r := &race{t: t, hosts: fleettest.Start(t, f.pick(16, 2)), state: t.TempDir(), side: "yang"}
	code := newRepo(t)
	code.write("build", 0o755, "#!/bin/sh\nexec mv site dist\n")
	code.write("test", 0o755, "#!/bin/sh\nexit 0\n")
	tree := &site{t: t, dir: filepath.Join(code.dir, "site"), files: f.pick(10_000, 200)}
	config := configText(server.Addr(), "#push", r.state, r.hosts.Config,
		stackText{name: "web", repo: code.dir, root: "/srv/web", princess: strings.Join(r.hosts.Names, ", "), prod: "unused"})
	pid := f.serve(t, config[:strings.Index(config, "      - {name: prod")], watcher)
	for _, h := range r.hosts.Names {
		for _, root := range []string{"web", "xargs"} {
			if err := os.Mkdir(filepath.Join(r.hosts.Srv(h), root), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	deploy := bot.Request{Do: "deploy", By: "figures", Stack: "web", Stage: "princess", Follow: true}
	version := func() {
		tree.next()
		code.commit(fmt.Sprintf("version %d", tree.version))
		r.both(deploy)
	}

	var empty, second, changed, nothing, back heats
	version() // fills one side
	empty = append(empty, r.last)
	version() // fills the other
	second = append(second, r.last)
	for range f.pick(4, 1) {
		version()
		changed = append(changed, r.last)
	}
	for range f.pick(3, 1) {
		r.both(deploy)
		nothing = append(nothing, r.last)
	}
	r.flipBack(bot.Request{Do: "rollback", By: "figures", Stack: "web", Stage: "princess", Text: "figures", Follow: true})
	back = append(back, r.last)

	f.add(fmt.Sprintf("rollout of %d files, %.0f MB, to %d hosts behind sshd: %d cores and one disk for all of them", r.release.Files, float64(r.release.Bytes)/1e6, len(r.hosts.Names), runtime.NumCPU()),
		"P8", "xargs -P 8 rsync -a --delete, then xargs -P 8 ssh 'ln -s && mv -T': proves and syncs nothing")
	f.add("", "columns", "pushtrain: build (git, archive) + hosts (sessions, copy, proof, sync, flip) | P8, P8 and a sync | hosts : P8, hosts : P8 and a sync")
	for _, row := range []struct {
		name string
		heats
	}{
		{"first time", empty},
		{"second time: the other side is empty", second},
		{fmt.Sprintf("1 %% changed (and 1 %% before), middle of %d", len(changed)), changed},
		{fmt.Sprintf("nothing changed, middle of %d", len(nothing)), nothing},
		{"rollback, P8: the flip alone", back},
	} {
		f.add("", row.name, "%s", row.heats)
		for _, x := range row.heats {
			t.Logf("%s: %s", row.name, x.ours)
		}
	}
	flips := slices.Concat(empty, second, changed, back)
	f.add("", fmt.Sprintf("first host flipped to last, %d flips", len(flips)), "pushtrain middle %s, worst %s | P8 middle %s (by the ctime of the links: all hosts have one clock)",
		ms(quantile(flips.ours(skewOf), 50)), ms(quantile(flips.ours(skewOf), 100)), ms(quantile(flips.theirs(skewOf), 50)))
	f.add("", "memory of the bot after it", "%s", memoryOf(t, pid))
}

// race runs the two ways in turn.
type race struct {
	t       testing.TB
	hosts   *fleettest.Hosts
	state   string
	side    string // where xargs's link is on
	release deploy.Release
	last    heat
}

// heat is one tree by the two ways.
type heat struct{ ours, theirs leg }

// leg is one way of one heat.
type leg struct {
	build time.Duration // before any host is asked
	hosts time.Duration // from then to the end
	sync  time.Duration // until a sync after it has ended
	skew  time.Duration // from the first host's flip to the last's
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
		fmt.Fprintf(&b, "%s at %.2f s, ", s.state, s.at.Seconds())
	}
	return fmt.Sprintf("%sover at %.2f s; skew %s", &b, (l.build + l.hosts).Seconds(), ms(l.skew))
}

type heats []heat

func (h heats) ours(of func(leg) time.Duration) (out []time.Duration) {
	for _, x := range h {
		out = append(out, of(x.ours))
	}
	return out
}

func (h heats) theirs(of func(leg) time.Duration) (out []time.Duration) {
	for _, x := range h {
		out = append(out, of(x.theirs))
	}
	return out
}

func buildOf(l leg) time.Duration  { return l.build }
func deployOf(l leg) time.Duration { return l.hosts }
func syncOf(l leg) time.Duration   { return l.sync }
func skewOf(l leg) time.Duration   { return l.skew }

func (h heats) String() string {
	build, hosts := quantile(h.ours(buildOf), 50), quantile(h.ours(deployOf), 50)
	theirs, synced := quantile(h.theirs(deployOf), 50), quantile(h.theirs(syncOf), 50)
	return fmt.Sprintf("%.2f + %.2f s | %.2f, %.2f s | %.2f, %.2f", build.Seconds(), hosts.Seconds(), theirs.Seconds(), synced.Seconds(), ratio(hosts, theirs), ratio(hosts, synced))
}

// both has the present tree taken to all hosts by both ways.
func (r *race) both(req bot.Request) {
	r.t.Helper()
	was := r.release.ID
	r.last = heat{ours: r.ask(req)}
	if r.release.ID != was {
		r.side = other(r.side)
	}
	r.last.theirs = r.xargs(true)
	r.same()
}

// flipBack takes all hosts back to the tree before.
func (r *race) flipBack(req bot.Request) {
	r.t.Helper()
	r.last = heat{ours: r.ask(req)}
	r.side = other(r.side)
	r.last.theirs = r.xargs(false)
	r.same()
}

func other(side string) string {
	if side == "yin" {
		return "yang"
	}
	return "yin"
}

// ask has the bot do it.
func (r *race) ask(req bot.Request) leg {
	r.t.Helper()
	syscall.Sync() // what is left of the heat before
	var l leg
	var end bot.Reply
	start := time.Now()
	code, err := bot.Call(context.Background(), r.state, req, func(reply bot.Reply) {
		if state, ok := strings.CutPrefix(reply.Line, "web/princess: "); ok && reply.Host == "" && state == strings.ToUpper(state) {
			l.steps = append(l.steps, step{state, time.Since(start)})
			if deploy.State(state) == deploy.Fencing {
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
	l.skew = r.skew("web")
	return l
}

// The other way, as people write it: $CONFIG $TREE $SIDE HOST…
const (
	xargsRsync = `c=$1 t=$2 s=$3; shift 3; printf '%s\n' "$@" | xargs -P 8 -I{} rsync -a --delete -e "ssh -F $c" "$t/" "{}:/srv/xargs/$s/"`
	xargsFlip  = `c=$1 s=$3; shift 3; printf '%s\n' "$@" | xargs -P 8 -I{} ssh -F "$c" {} "ln -s $s /srv/xargs/.cur && mv -T /srv/xargs/.cur /srv/xargs/current"`
)

func (r *race) xargs(copy bool) leg {
	r.t.Helper()
	syscall.Sync()
	tree := filepath.Join(r.state, "releases", "web", "releases", r.release.ID, "tree")
	start := time.Now()
	scripts := []string{xargsRsync, xargsFlip}
	if !copy {
		scripts = scripts[1:]
	}
	for _, script := range scripts {
		c := exec.Command("sh", append([]string{"-c", script, "sh", r.hosts.Config, tree, r.side}, r.hosts.Names...)...)
		if out, err := c.CombinedOutput(); err != nil {
			r.t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	l := leg{hosts: time.Since(start)}
	syscall.Sync()
	l.sync = time.Since(start)
	l.skew = r.skew("xargs")
	return l
}

// skew is between the first and the last change of a host's link.
func (r *race) skew(root string) time.Duration {
	r.t.Helper()
	var at []time.Duration
	for _, h := range r.hosts.Names {
		info, err := os.Lstat(filepath.Join(r.hosts.Srv(h), root, "current"))
		if err != nil {
			r.t.Fatal(err)
		}
		at = append(at, time.Duration(info.Sys().(*syscall.Stat_t).Ctim.Nano()))
	}
	return slices.Max(at) - slices.Min(at)
}

// same looks whether every host serves the archived tree by both ways: all that
// rsync would change is nothing.
func (r *race) same() {
	r.t.Helper()
	tree := filepath.Join(r.state, "releases", "web", "releases", r.release.ID, "tree")
	for _, h := range r.hosts.Names {
		for _, root := range []string{"web", "xargs"} {
			out, err := exec.Command("rsync", "-rlpn", "--size-only", "--delete", "--out-format=%i %n", tree+"/", filepath.Join(r.hosts.Srv(h), root, "current")+"/").CombinedOutput()
			if err != nil || len(out) > 0 {
				r.t.Errorf("%s/%s does not serve %s: %v %s", h, root, r.release.ID, err, out)
			}
		}
	}
}
