package bot

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"pushtrain/deploy"
	"pushtrain/train"
)

// View is what may be shown of the bot's state: plain data, made after a commit and
// never changed again, so that whoever shows it needs nothing of the bot. Its JSON
// is what programs read.
type View struct {
	At       time.Time     `json:"at"`
	Version  string        `json:"version"`
	Records  uint64        `json:"records"` // in the journal
	Channel  string        `json:"channel"`
	Prefix   string        `json:"prefix"` // of commands
	Online   bool          `json:"online"` // the bot is in the channel
	Topic    string        `json:"topic"`  // whole, also where the channel has no room for it
	Banner   string        `json:"banner,omitempty"`
	Hours    string        `json:"hours,omitempty"` // what .status says of them; "" = trains depart at any time
	Shut     bool          `json:"shut,omitempty"`  // it is outside of them
	Message  string        `json:"message,omitempty"`
	Seat     string        `json:"seat"` // what somebody new would wait, in the words of .queue
	Holds    []ViewHold    `json:"holds"`
	Trains   []ViewTrain   `json:"trains"` // in order
	Stacks   []ViewStack   `json:"stacks"` // as configured; the first is the default
	Rollouts []ViewRollout `json:"rollouts"`
	Log      []Entry       `json:"-"` // oldest first, the newest logMax
	Ops      []string      `json:"-"` // accounts that may override, or nicks
	Accounts bool          `json:"-"` // Ops are accounts
}

// ViewHold is a hold of all lanes or of one.
type ViewHold struct {
	Stack string    `json:"stack,omitempty"` // "" = all lanes
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// ViewTrain is a train in the queue.
type ViewTrain struct {
	ID      int         `json:"id"`
	Stacks  []string    `json:"stacks"`
	Place   int         `json:"place"`             // trains in front of it; 0 = the head of all its lanes
	Stage   string      `json:"stage,omitempty"`   // its marker
	Running string      `json:"running,omitempty"` // the stage whose rollout runs
	Up      time.Time   `json:"up,omitzero"`
	Moved   time.Time   `json:"moved,omitzero"` // when it last did
	Wait    string      `json:"wait,omitempty"` // of one that is not up, as .join told it
	Held    string      `json:"held,omitempty"` // why its next step is refused
	Next    string      `json:"next,omitempty"` // the stage that comes next; "" = none
	Waiting []string    `json:"waiting,omitempty"`
	Message string      `json:"message,omitempty"`
	Hotfix  *ViewHotfix `json:"hotfix,omitempty"` // nil = it goes in its turn
	Before  []string    `json:"before,omitempty"` // texts in front of it that are no trains
	Ships   []ViewShip  `json:"ships,omitempty"`
	Riders  []ViewRider `json:"riders"` // the first drives
	Asks    ViewAsk     `json:"asks,omitzero"`
}

// ViewHotfix is why a train goes first, and on whose word.
type ViewHotfix struct {
	Why   string    `json:"why"`
	By    string    `json:"by"`
	As    string    `json:"as"` // account, hostmask or nick: what proved who that is
	Since time.Time `json:"since"`
}

// ViewAsk is what waits for another rider's .confirm.
type ViewAsk struct {
	Stage string    `json:"stage"`
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Pending reports whether a second person's word is waited for at that time.
func (t ViewTrain) Pending(at time.Time) bool { return t.Asks.Stage != "" && at.Before(t.Asks.Until) }

// ViewShip is what a train ships of one stack.
type ViewShip struct {
	Stack string `json:"stack"`
	Ship
	Green []string `json:"green,omitempty"` // stages that it has passed
}

// ViewRider is a seat.
type ViewRider struct {
	Nick   string    `json:"nick"`
	Mark   string    `json:"mark,omitempty"` // good, uhoh, or "" = nothing yet
	Stack  string    `json:"stack"`
	AskMe  bool      `json:"askme,omitempty"`
	Hold   bool      `json:"hold,omitempty"`
	Gone   bool      `json:"gone,omitempty"` // left the channel
	Joined time.Time `json:"joined,omitzero"`
	Words  []string  `json:"words,omitempty"`
	Twin   string    `json:"twin,omitempty"` // how the nick is told from another one that looks like it, as .queue says it
}

// ViewStack is a stack and its way to production.
type ViewStack struct {
	Name    string       `json:"name"`
	Aliases []string     `json:"aliases,omitempty"`
	Stages  []ViewStage  `json:"stages"`
	From    string       `json:"from,omitempty"`    // the commit that Commits come on top of
	Commits []ViewCommit `json:"commits,omitempty"` // what a train that is up brings, or the last rollout has brought; newest first

	// Of a train that is up, and brings Commits: whose commits come along and who does
	// not ride, and who rides without one.
	NotAboard []string `json:"not_aboard,omitempty"`
	Without   []string `json:"without_commit,omitempty"`
}

// ViewCommit is a commit that a train carries.
type ViewCommit struct {
	Hash    string `json:"hash"`
	By      string `json:"by"` // the nick, or the author's name where no nick is known
	Subject string `json:"subject"`
}

// ViewWatch is what a stage's log has brought since the last flip.
type ViewWatch struct {
	Flip  time.Time  `json:"flip"`
	Open  bool       `json:"open"`                   // it is still watched
	Lines int        `json:"lines"`                  // all of them
	Usual float64    `json:"usual_a_minute"`         // lines before the flip
	Bad   bool       `json:"bad,omitempty"`          // more than the rule allows
	New   []ViewKind `json:"new,omitempty"`          // the most frequent first
	More  int        `json:"more,omitempty"`         // lines of yet other kinds
	Short string     `json:"short,omitempty"`        // how little of the time before the flip is known, where it is little
	Away  float64    `json:"away_seconds,omitempty"` // in which the bot read nothing
	Lost  int64      `json:"lost_bytes,omitempty"`   // that came too fast to be read
}

// ViewKind is a kind of line that was not there before the flip.
type ViewKind struct {
	Text  string   `json:"text"`            // the first of them
	Under []string `json:"under,omitempty"` // what was said below such lines
	From  string   `json:"from,omitempty"`
	Count int      `json:"count"`
	Whose []string `json:"whose,omitempty"` // riders whose commits touch a file that it names
}

// ViewStage is what one stage serves, and what comes to it next.
type ViewStage struct {
	Name       string           `json:"name"`
	External   bool             `json:"external,omitempty"`
	Tested     bool             `json:"tested,omitempty"` // it has tests
	Hosts      []string         `json:"hosts,omitempty"`
	Live       Ship             `json:"live,omitzero"` // zero = nothing of ours
	Since      time.Time        `json:"since,omitzero"`
	By         string           `json:"by,omitempty"`
	Riders     []string         `json:"riders,omitempty"` // of the train that shipped it
	Rollout    uint64           `json:"rollout,omitempty"`
	Back       bool             `json:"back,omitempty"`  // it came by a rollback
	Before     Ship             `json:"before,omitzero"` // what was live until then
	Next       Ship             `json:"next,omitzero"`   // what the stage before it, a train or a rollout has for it; zero = nothing new
	Quarantine []ViewQuarantine `json:"quarantine,omitempty"`
	Watch      *ViewWatch       `json:"watch,omitempty"` // nil = nothing is watched, or nothing was flipped
}

// ViewQuarantine is a host that is left out.
type ViewQuarantine struct {
	Host  string    `json:"host"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// ViewRollout is a rollout under way, or STUCK.
type ViewRollout struct {
	ID      uint64       `json:"id"`
	Stack   string       `json:"stack"`
	Stage   string       `json:"stage"`
	State   deploy.State `json:"state"`
	By      string       `json:"by"`
	Train   int          `json:"train,omitempty"`
	Ref     string       `json:"ref,omitempty"`
	Old     Ship         `json:"old,omitzero"`
	New     Ship         `json:"new,omitzero"` // zero = not built yet
	Back    bool         `json:"back,omitempty"`
	Sync    bool         `json:"sync,omitempty"`
	Why     string       `json:"why,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Began   time.Time    `json:"began"`
	Usual   float64      `json:"usual_seconds,omitempty"` // median of the last five that went live there; 0 = unknown
	Phases  []Phase      `json:"phases"`
	Builds  deploy.Job   `json:"builds,omitempty"`
	Tests   deploy.Job   `json:"tests,omitempty"`
	Checks  deploy.Job   `json:"checks,omitempty"`
	Hosts   []ViewHost   `json:"hosts"`
	Percent int          `json:"percent"` // of the way, by its hosts' steps; never back
	Tail    []string     `json:"tail,omitempty"`
}

// ViewHost is where one host of a rollout stands.
type ViewHost struct {
	Name    string  `json:"name"`
	Phase   string  `json:"phase"`             // in a word or two
	Percent int     `json:"percent"`           // of what is sent to it
	Flip    float64 `json:"flip_ms,omitempty"` // how long its flip took
	Held    bool    `json:"held,omitempty"`    // it had the release already
	Error   string  `json:"error,omitempty"`
	Out     bool    `json:"out,omitempty"` // out of the pool
}

// View is the state as of the newest commit, or a quarter of a second before. Any
// goroutine may call it, and it is never nil.
func (b *Bot) View() *View { return b.view.Load() }

// Watch pokes when there is a new View, until stop is called. Any goroutine may call it.
func (b *Bot) Watch() (news <-chan struct{}, stop func()) { return b.viewers.watch() }

// RunLog opens the log of a rollout for reading; fs.ErrNotExist when there is none
// (any more). While the rollout is under way it grows. Any goroutine may call it.
func (b *Bot) RunLog(id uint64) (*os.File, error) {
	if b.runs.dir == "" {
		return nil, fs.ErrNotExist
	}
	return os.Open(b.runs.path(id))
}

// Stats sums up the last days of a stack, or with "" of all. Any goroutine may call it while Run runs.
func (b *Bot) Stats(ctx context.Context, days int, stack string) (train.Stats, error) {
	return call(ctx, b, func(answer chan<- train.Stats) {
		q := b.lastDays(days)
		q.Stack = stack
		answer <- b.tally.Stats(q)
	})
}

// publish makes the state visible to those who look.
func (b *Bot) publish() {
	b.fresh = false
	b.view.Store(b.makeView())
	b.viewers.poke()
}

func (b *Bot) makeView() *View {
	q := b.train.Queue
	v := &View{
		At: b.now(), Version: b.cfg.Version, Records: b.store.Last(), Channel: b.cfg.Channel, Prefix: b.cfg.Prefix, Online: b.online,
		Topic: b.train.Whole(), Banner: q.Banner, Shut: b.train.Hours.Closed, Message: q.Message, Seat: b.seatNow(), Log: b.log, Ops: b.cfg.Ops, Accounts: b.accounts,
		Holds: []ViewHold{}, Trains: []ViewTrain{}, Stacks: []ViewStack{}, Rollouts: []ViewRollout{},
	}
	if b.train.Rules.Hours != "" {
		v.Hours = b.hoursText()
	}
	for _, h := range q.Holds {
		v.Holds = append(v.Holds, ViewHold{Stack: h.Stack, By: train.Visible(h.By), Why: h.Why, Since: h.Since})
	}
	twin := b.twins()
	for i := range q.Trains {
		v.Trains = append(v.Trains, b.viewTrain(i, twin))
	}
	for _, st := range b.train.Rules.Stacks {
		v.Stacks = append(v.Stacks, b.viewStack(st))
	}
	for _, id := range slices.Sorted(maps.Keys(b.book.Open)) {
		v.Rollouts = append(v.Rollouts, b.viewRollout(b.book.Open[id]))
	}
	return v
}

func (b *Bot) viewTrain(i int, twin func(nick string) string) ViewTrain {
	t := b.train.Queue.Trains[i]
	v := ViewTrain{
		ID: t.ID, Stacks: b.train.Stacks(t), Place: b.train.Place(i), Stage: t.Stage, Running: t.Runs, Up: t.Up, Moved: t.Since,
		Held: b.train.Held(t), Next: b.train.Next(t), Message: t.Message, Before: slices.Clone(t.Before),
	}
	if h := t.Haste; h.Why != "" {
		v.Hotfix = &ViewHotfix{Why: h.Why, By: h.By.Nick, As: h.Known, Since: h.At}
	}
	if t.Up.IsZero() && len(v.Stacks) > 0 {
		v.Wait = b.waitText(v.Stacks[0], v.Place)
		if v.Hotfix != nil {
			v.Wait = fmt.Sprintf("%d in front", v.Place)
		}
	}
	for j, r := range t.Riders {
		stack := r.Stack
		if stack == "" {
			stack = b.train.Rules.Default()
		}
		mark := map[train.Mark]string{train.Good: "good", train.Uhoh: "uhoh"}[r.Mark]
		v.Riders = append(v.Riders, ViewRider{Nick: r.Nick, Mark: mark, Stack: stack, AskMe: r.AskMe, Hold: r.Hold, Gone: r.Gone, Joined: r.Joined, Words: slices.Clone(r.Words), Twin: twin(r.Nick)})
		if t.Stage != "" && mark == "" && j > 0 {
			v.Waiting = append(v.Waiting, r.Nick)
		}
	}
	if a := t.Asks; a.Stage != "" {
		v.Asks = ViewAsk{Stage: a.Stage, By: a.By.Nick, Since: a.At, Until: a.Until()}
	}
	for _, s := range t.Ships {
		v.Ships = append(v.Ships, ViewShip{Stack: s.Stack, Ship: Ship{s.Release, s.Commit}, Green: slices.Clone(s.Green)})
	}
	return v
}

func (b *Bot) viewStack(st train.Stack) ViewStack {
	v := ViewStack{Name: st.Name, Aliases: slices.Clone(st.Aliases)}
	brings := b.brings[st.Name]
	if len(brings.commits) > 0 {
		v.From = brings.from
	}
	for _, c := range brings.commits {
		by, _ := b.author(c)
		v.Commits = append(v.Commits, ViewCommit{c.Hash, by, c.Subject})
	}
	if i := b.train.HeadOf(st.Name); i >= 0 && len(brings.commits) > 0 && !b.train.Queue.Trains[i].Up.IsZero() {
		var shares []share
		shares, v.Without = b.shares(nicksOf(b.train.Queue.Trains[i]), brings)
		for _, s := range shares {
			if !s.aboard {
				v.NotAboard = append(v.NotAboard, s.nick)
			}
		}
	}
	comes := Ship{} // to the stage that is next
	if i := b.train.HeadOf(st.Name); i >= 0 {
		for _, s := range b.train.Queue.Trains[i].Ships {
			if s.Stack == st.Name {
				comes = Ship{s.Release, s.Commit}
			}
		}
	}
	for _, sg := range st.Stages {
		t := deploy.Target{Stack: st.Name, Stage: sg.Name}
		f := b.cfg.Fleets[t]
		g := ViewStage{Name: sg.Name, External: sg.External, Tested: f.Test, Hosts: slices.Clone(f.Hosts)}
		past := b.book.Shipped[t.String()]
		if len(past) > 0 {
			s := past[0]
			g.Live, g.Since, g.By, g.Rollout, g.Back = shipOf(s.Release), s.At, s.By, s.Rollout, s.Back
		}
		if len(past) > 1 {
			g.Before = shipOf(past[1].Release)
		}
		for _, l := range b.train.Live {
			if l.Stack == st.Name && l.Stage == sg.Name {
				for _, w := range l.Riders {
					g.Riders = append(g.Riders, w.Nick)
				}
			}
		}
		if id, ok := b.running(st.Name); ok && b.book.Open[id].Stage == sg.Name {
			comes = shipOf(b.book.Open[id].Release)
		}
		if comes != g.Live {
			g.Next = comes
		}
		if g.Live != (Ship{}) {
			comes = g.Live
		}
		quarantine := b.book.Quarantine[t.String()]
		for _, host := range slices.Sorted(maps.Keys(quarantine)) {
			g.Quarantine = append(g.Quarantine, ViewQuarantine{host, quarantine[host].Why, quarantine[host].Since})
		}
		g.Watch = b.viewWatch(t)
		v.Stages = append(v.Stages, g)
	}
	return v
}

func (b *Bot) viewRollout(r deploy.Rollout) ViewRollout {
	percent, tail := b.runs.now(r.ID)
	v := ViewRollout{
		ID: r.ID, Stack: r.Stack, Stage: r.Stage, State: r.State, By: r.By, Train: r.Train, Ref: r.Ref, New: shipOf(r.Release),
		Back: r.Start.Back, Sync: r.Sync, Why: r.Why, Reason: r.Reason, Began: r.Began, Usual: b.usual(r).Seconds(), Phases: phasesOf(r),
		Builds: r.Builds, Tests: r.Tests, Checks: r.Checks, Hosts: []ViewHost{}, Tail: tail,
	}
	if live, ok := b.book.Live(r.Target); ok {
		v.Old = shipOf(live.Release)
	}
	sum := 0
	for _, h := range r.Hosts {
		g := ViewHost{Name: h.Name, Phase: phaseOf(r, h), Percent: percent[h.Name], Flip: float64(h.Took.Microseconds()) / 1000, Held: h.Held, Error: h.Err, Out: h.Out}
		if reached(h.Step) >= reached(deploy.KindPrepare) {
			g.Percent = 100
		}
		sum += hostPercent(h, g.Percent)
		v.Hosts = append(v.Hosts, g)
	}
	if len(r.Hosts) > 0 {
		v.Percent = sum / len(r.Hosts)
	}
	return v
}

// usual is the middle of how long the last rollouts took that went live on the same
// stage in the same direction; 0 = there was none.
func (b *Bot) usual(r deploy.Rollout) time.Duration {
	const enough, far = 5, 500
	var took []time.Duration
	for i := len(b.log) - 1; i >= max(0, len(b.log)-far) && len(took) < enough; i-- {
		if e := b.log[i]; e.Live() && e.Stack == r.Stack && e.Stage == r.Stage && e.Back == r.Start.Back {
			took = append(took, e.Took())
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// steps are what each host goes through, in order.
var steps = []deploy.Kind{deploy.KindFence, deploy.KindPrepare, deploy.KindVerify, deploy.KindFlip, deploy.KindConfirm}

// reached is how many steps lie behind a host whose last one was k.
func reached(k deploy.Kind) int { return slices.Index(steps, k) + 1 }

// hostPercent is how far a host is. What is sent counts most: it lasts longest.
func hostPercent(h deploy.Host, sent int) int {
	if h.Back {
		return 100 * reached(h.Step) / len(steps)
	}
	return []int{0, 10, 70, 85, 95, 100}[reached(h.Step)] + map[bool]int{true: min(max(sent, 0), 100) * 60 / 100}[h.Open == deploy.KindPrepare]
}

// phaseOf says in a word or two what a host is at.
func phaseOf(r deploy.Rollout, h deploy.Host) string {
	doing := map[deploy.Kind]string{
		deploy.KindFence: "asked", deploy.KindPrepare: "copying", deploy.KindVerify: "verifying",
		deploy.KindFlip: "flipping", deploy.KindConfirm: "confirming", deploy.KindPull: "leaving the pool",
	}
	did := map[deploy.Kind]string{
		deploy.KindFence: "ready", deploy.KindPrepare: "copied", deploy.KindVerify: "holds it",
		deploy.KindFlip: "flipped", deploy.KindConfirm: "serves it",
	}
	switch {
	case h.Left():
		return "left out"
	case h.Open != "" && h.Back && h.Open == deploy.KindFlip:
		return "flipping back"
	case h.Open != "":
		return doing[h.Open]
	case h.Err != "":
		return "failed"
	case h.Back && reached(h.Step) >= reached(deploy.KindFlip):
		return "flipped back"
	case did[h.Step] != "":
		return did[h.Step]
	}
	return "waiting"
}
