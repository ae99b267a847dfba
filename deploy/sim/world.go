package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pushtrain/deploy"
)

// epochStart is when every run begins.
var epochStart = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// Violation is an invariant that did not hold.
type Violation struct {
	Seed      uint64
	Invariant string // of reliability's list: "I1" …
	What      string
	Trace     []string // the run so far; only of a traced one
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d: %s: %s", v.Seed, v.Invariant, v.What)
}

// Report says what a run was made of.
type Report struct {
	Events   int
	Outcomes map[deploy.State]int
	Faults   map[string]int
}

// Run runs one seed, with a bug planted; "" = none. Its error is a *Violation
// with the trace of the run.
func Run(seed uint64, bug Bug) (Report, error) {
	report, err := run(seed, bug, false)
	if err != nil {
		_, err = run(seed, bug, true)
	}
	return report, err
}

// Find is Run without the trace: enough to know whether the seed finds the bug.
func Find(seed uint64, bug Bug) (Report, error) { return run(seed, bug, false) }

// Trace runs a seed and returns its story.
func Trace(seed uint64, bug Bug) string {
	w := newWorld(seed, bug)
	w.traced = true
	_ = w.live()
	return strings.Join(w.trace, "\n")
}

func run(seed uint64, bug Bug, traced bool) (Report, error) {
	w := newWorld(seed, bug)
	w.traced = traced
	err := w.live()
	return w.report, err
}

// world is one run.
type world struct {
	seed   uint64
	rng    *rand.Rand
	bug    Bug
	mix    mix
	now    time.Duration
	queue  events
	seq    int
	healed bool
	traced bool
	trace  []string
	report Report

	stacks   []string
	machines []*machine
	bots     []*bot
	rollouts map[rolloutKey]*track
	releases int // that were made
}

func newWorld(seed uint64, bug Bug) *world {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x70757368)), bug: bug, rollouts: map[rolloutKey]*track{}}
	w.report = Report{Outcomes: map[deploy.State]int{}, Faults: map[string]int{}}
	w.mix = w.drawMix()
	w.stacks = []string{"web", "config"}[:1+w.rng.IntN(2)]
	for i := range 1 + w.rng.IntN(4) {
		w.machines = append(w.machines, w.newMachine(fmt.Sprintf("web%d", i+1)))
	}
	for i := range 1 + w.chance(w.mix.twoBots) {
		w.bots = append(w.bots, newBot(w, i))
	}
	return w
}

// event is something that will happen.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// after has do happen d from now.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + d, w.seq, do})
}

// between returns a random duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

// chance returns 1 with probability p, else 0.
func (w *world) chance(p float64) int {
	if w.rng.Float64() < p {
		return 1
	}
	return 0
}

func (w *world) say(format string, args ...any) {
	if w.traced {
		w.trace = append(w.trace, fmt.Sprintf("%9.3f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

// broken ends the run.
func (w *world) broken(invariant, format string, args ...any) {
	w.say("BROKEN %s: "+format, append([]any{invariant}, args...)...)
	panic(&Violation{Seed: w.seed, Invariant: invariant, What: fmt.Sprintf(format, args...), Trace: w.trace})
}

// How long the halves of a run may take, in the world's own time.
const (
	troubled = 3 * time.Minute
	healing  = 6 * time.Minute
	most     = 60_000 // events: a run with more does not come to rest
)

// live is the run.
func (w *world) live() (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *Violation:
			err = v
		default:
			panic(v)
		}
	}()
	for _, b := range w.bots {
		b.start()
	}
	w.people()
	w.faults()
	w.requests()
	w.until(troubled)
	w.heal()
	w.until(w.now + healing)
	w.judgeEnd()
	return nil
}

// until lets the events of a time happen.
func (w *world) until(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
		if w.report.Events++; w.report.Events > most {
			w.broken("I13", "the world does not come to rest")
		}
	}
	w.now = end
}
