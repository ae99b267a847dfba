package main

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
)

var (
	everyFault = flag.Bool("faults", false, "TestFaults makes all its runs, not one of each fault and scene")
	faultsDone = flag.String("faults-done", "", "a `FILE` that names the runs of TestFaults that went well: the same program does not make them again")
)

// faultRun is one fault at one point of one scene.
type faultRun struct {
	scene scene
	point string
	fault fault
}

func (r faultRun) name() string { return r.scene.name + "/" + r.point + "/" + r.fault.name }

func (r faultRun) hash() string {
	sum := sha256.Sum256([]byte(r.name()))
	return string(sum[:])
}

// TestFaults has one thing go wrong at one point at a time: at every record and at
// every deed of real rollouts to eight real hosts, and of the way out of a crash.
// After each the rollout has one outcome, the fleet is uniform or a STUCK rollout is
// named, the link was never missing, no byte of a live side was written, no page was
// mixed, the journal is sound, and all that within ten seconds.
func TestFaults(t *testing.T) {
	r := newFaultRig(t)
	all := scenes()
	points := map[string][]string{} // by scene
	for _, s := range all {
		points[s.name] = r.rehearse(s)
	}
	coverage(t, points)
	if t.Failed() {
		return
	}
	runs := plan(all, points)
	done, keep := doneRuns(t)
	made, missed, hit, slowest := 0, 0, map[string]bool{}, time.Duration(0)
	by, outcomes := map[string]int{}, map[deploy.State]int{}
	for i, run := range runs {
		if !*everyFault && by[run.fault.name] > 0 && by[run.scene.name] > 0 {
			continue
		}
		if end, ok := t.Deadline(); ok && time.Until(end) < time.Minute {
			t.Errorf("time is up before run %d of %d: the next soak goes on there", i+1, len(runs))
			break
		}
		well := done[run.name()] || t.Run(run.name(), func(t *testing.T) {
			r.turn = i
			was, took, err := r.run(run)
			switch {
			case errors.Is(err, errMissed):
				missed++
				t.Skip(err)
			case err != nil:
				t.Fatal(err)
			}
			was = cmp.Or(was, "no rollout")
			t.Logf("%s, %.1f s after the fault", was, took.Seconds())
			outcomes[was]++
			slowest = max(slowest, took)
			done[run.name()] = true
			keep(run.name())
		})
		if done[run.name()] || !well {
			by[run.fault.name]++
			by[run.scene.name]++
		}
		if done[run.name()] {
			made++
			hit[run.scene.name+"/"+run.point] = true
		}
		if !well {
			r.afresh()
		}
	}
	t.Run("old-state", r.oldState)
	if *everyFault {
		t.Run("two-bots", r.twoBots)
	}
	if missed > 2+len(runs)/20 {
		t.Errorf("%d of %d points were not passed", missed, len(runs))
	}
	t.Logf("%d points hit in %d runs (of %d points, %d runs; %d not passed), %v; outcomes %v; the slowest recovery took %.1f s; %s",
		len(hit), made, count(points), len(runs), missed, by, outcomes, slowest.Seconds(), r.witness.work())
}

// limit is how long the way out of a fault may take: a soak is by itself, and other
// tests run beside one of each.
func limit() time.Duration {
	if *everyFault {
		return recovery
	}
	return patience
}

func count(points map[string][]string) (n int) {
	for _, p := range points {
		n += len(p)
	}
	return n
}

// plan lists the runs, mixed so that any part of the list is a spread over all of
// it: in each scene, at each kind of point, each fault that makes a difference there
// comes to one of the hosts; the deaths at flips, and at what is recorded of them, to all.
func plan(all []scene, points map[string][]string) []faultRun {
	var runs []faultRun
	for _, s := range all {
		for _, point := range points[s.name] {
			for _, f := range faults() {
				if f.fits(s, point) {
					runs = append(runs, faultRun{s, point, f})
				}
			}
		}
	}
	// In an order that a point which is passed in one rehearsal and not in the next does not change.
	slices.SortFunc(runs, func(a, b faultRun) int { return cmp.Compare(a.hash(), b.hash()) })
	var mixed []faultRun
	taken := map[string]bool{}
	for _, run := range runs {
		kind, _, _ := strings.Cut(run.point, "#")
		everywhere := strings.Contains(strings.ToLower(kind), "flip") && strings.HasPrefix(run.fault.name, "kill-") && !run.scene.few && !run.scene.twice
		if host := hostOf(run.point); host != "" && !everywhere {
			kind = strings.Replace(kind, host, "", 1)
		}
		if key := run.scene.name + kind + run.fault.name; !taken[key] {
			taken[key] = true
			mixed = append(mixed, run)
		}
	}
	return mixed
}

// doneRuns reads which runs this program need not make again, and returns how one is added.
func doneRuns(t *testing.T) (done map[string]bool, keep func(string)) {
	done = map[string]bool{}
	if *faultsDone == "" {
		return done, func(string) {}
	}
	own, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("%x", sha256.Sum256(own))
	if err := os.MkdirAll(filepath.Dir(*faultsDone), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(*faultsDone, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for lines := bufio.NewScanner(f); lines.Scan(); {
		done[lines.Text()] = true
	}
	keep = func(line string) {
		if _, err := fmt.Fprintln(f, line); err != nil {
			t.Error(err)
		}
	}
	if !done[program] { // those of another
		clear(done)
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		keep(program)
	}
	return done, keep
}

// unasked are the effects that are no deeds, and the records of what these scenes do
// not turn on, with what is a point instead.
var unasked = map[string]string{
	"deed/AtBarrier": "the bot itself is told, and answers with record/deploy.Commit",
	"deed/Ended":     "the bot itself is told, and answers with record/train.Ended",

	"record/train.Confirm": "starts a rollout as record/train.Step does",
	"record/train.Hotfix":  "takes a seat, and does nothing else, as record/train.Join does",
	"record/train.Hours":   "says who may start, and starts nothing, as record/train.Halt does",
	"record/train.Voided":  "hands out a code, and does nothing else, as record/train.Join does",
}

// coverage holds that each type of record and of effect has points, counted from the
// Go types: a new one without a scene fails here.
func coverage(t *testing.T, points map[string][]string) {
	t.Helper()
	found := map[string]int{}
	for _, list := range points {
		for _, p := range list {
			found[typeOf(p)]++
		}
	}
	want := []string{"record/refusal.Refused"}
	for _, name := range methods(t, "../../train/event.go", "event") {
		want = append(want, "record/train."+name)
	}
	for _, name := range methods(t, "../../deploy/event.go", "event") {
		want = append(want, "record/deploy."+name)
	}
	for _, name := range methods(t, "../../deploy/event.go", "effect") {
		want = append(want, "deed/"+kindOf(name))
	}
	var table strings.Builder
	for _, name := range want {
		fmt.Fprintf(&table, "\n%4d %s", found[name], name)
		why, exempt := unasked[name]
		switch {
		case exempt && found[name] > 0:
			t.Errorf("%s has points: it is no exception", name)
		case exempt:
			fmt.Fprintf(&table, ": %s", why)
		case found[name] == 0:
			t.Errorf("%s has no point: no scene passes it", name)
		}
		delete(found, name)
	}
	for name := range found {
		t.Errorf("%s is of no type that is known", name)
	}
	t.Logf("points by type:%s", table.String())
}

// methods names the types of a file that have a method.
func methods(t *testing.T, path, method string) (types []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(path), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
			types = append(types, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	if len(types) == 0 {
		t.Errorf("%s has no %s", path, method)
	}
	return types
}

// kindOf is what an effect's type is called in points.
func kindOf(effect string) string {
	if effect == "AtBarrier" || effect == "Ended" {
		return effect
	}
	return strings.ToLower(effect)
}

// rehearse plays a scene without a fault and returns the points that it passes.
func (r *faultRig) rehearse(s scene) []string {
	r.t.Helper()
	began := time.Now()
	s.setup(r, "-")
	s.play(r)
	if err := r.quiet(); err != nil {
		r.t.Fatalf("%s, without a fault: %v", s.name, err)
	}
	passed := r.bot.passed()
	slices.Sort(passed)
	if err := r.rest(s); err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("%s: %d points, %.1f s", s.name, len(passed), time.Since(began).Seconds())
	return slices.Compact(passed)
}

// quiet waits until what follows an outcome is over too: each deed that was begun is done.
func (r *faultRig) quiet() error {
	if _, err := r.settled(patience); err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		begun := 0
		for _, p := range r.bot.passed() {
			switch {
			case strings.HasPrefix(p, "deed/") && strings.Contains(p, "/before#"):
				begun++
			case strings.HasPrefix(p, "record/deploy.") && strings.Contains(p, "/after#") && answers(p):
				begun--
			}
		}
		if begun <= 0 { // less: what was begun before it was armed is counted by half
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("%d deeds have no record of their answer", begun)
		}
	}
}

// answers reports whether a record is that of an answer to a deed.
func answers(point string) bool {
	switch strings.TrimPrefix(typeOf(point), "record/deploy.") {
	case "Start", "Commit", "Abort", "Undo", "Resume", "Forward":
		return false
	}
	return true
}

// rest makes the fleet one that the next scene can begin with.
func (r *faultRig) rest(s scene) error {
	if s.many { // the journal may know of no release before this one, and a host have none
		if err := r.shipped(""); err != nil {
			return err
		}
	}
	if err := r.quiet(); err != nil {
		return fmt.Errorf("after %s: %w", s.name, err)
	}
	r.bot.arm("-")
	for _, name := range r.hosts.Names {
		r.witness.leave(name, false)
	}
	return nil
}
