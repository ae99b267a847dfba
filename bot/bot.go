package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
	"pushtrain/train"
)

// Config is what a Bot needs to know. Rules with at least one stack are required.
type Config struct {
	Rules   train.Rules
	Fleets  map[deploy.Target]Fleet
	Nick    string            // as configured, for "pushbot: join"
	Channel string            // for the room that a topic has
	Prefix  string            // of commands; "" = "."
	People  map[string]string // nicks by the names and addresses, in lower case, that people commit under
	Ops     []string          // accounts, or nicks where there are no accounts, that may override
	Diffs   map[string]string // by stack: the address that shows what two commits differ in, with {old}, {new}, {stack}
	Dir     string            // run logs go to Dir/runs
	Secrets *Secrets          // what neither these nor the journal may hold; nil = passwords of URLs alone
	Open    time.Duration     // hours a day in which pushes are made, for the capacity; 0 = 8 h
	Hours   train.Calendar    // when trains depart; the zero Calendar: at any time. Rules.Hours says the same to people
	Idle    bool              // it takes up no rollout that a crash has left
	Audit   time.Duration     // how often all hosts read all of what they serve; 0 = never
	Version string
	Ready   func() // called once, when the bot is first in the channel; nil = nobody waits

	// Beat is called by Run's goroutine when it has taken up the state, and about every
	// quarter second from then on. It must not wait. nil = nobody listens.
	Beat func()

	// Reread reads the configuration again, with the hosts that may be gone. It returns
	// what is different (nil = nothing, or it is refused), an exit code and what to say of
	// it. It is called beside Run, once at a time. nil = there is nothing to read.
	Reread func(removed []string) (*Change, int, []string)

	// Entered is told of each new entry of the deploy log when it is on disk. It must
	// not wait. nil = nobody is told.
	Entered func(Entry)

	Log zerolog.Logger

	// Trace is told of each record right before it is written to the journal, and
	// again when it is on disk and nothing of it is done or said yet; the bot waits
	// for it. nil = nobody is told. It is for tests that stop the bot just there.
	Trace func(rec store.Record, written bool)
}

// Fleet is what the rules of rollouts need to know of one target.
type Fleet struct {
	Branch string
	Hosts  []string
	Test   bool // the stage has tests
	Check  bool // the stage has a check

	MaxQuarantine int // hosts that a rollout may go on without; 0 = none

	Watch Watch
}

// Chat is where the bot speaks. *irc.Link is one; the shell without IRC another.
// None of its methods waits.
type Chat interface {
	SetTopic(text string)
	Say(p irc.Priority, text string)
	Notice(p irc.Priority, nick, text string)
	Hand(nick, text string, receipt int) // a Notice that irc.Delivered answers
	Waiting() int                        // lines that are not on their way yet
}

// Deployer carries out the effects of rollouts. *fleet.Fleet is one.
type Deployer interface {
	// Do answers the effect with exactly one event. It ends early when ctx does.
	Do(ctx context.Context, r deploy.Rollout, e deploy.Effect, out func(fleet.Line)) deploy.Event
	// Status asks the hosts of a target what they hold now.
	Status(ctx context.Context, t deploy.Target) []fleet.HostStatus
	// Audit is Status by hosts that read all of what they serve: it should be rel.
	Audit(ctx context.Context, t deploy.Target, rel deploy.Release) []fleet.HostStatus
	// Follow hands on what a target's logs say until ctx ends, from several goroutines.
	Follow(ctx context.Context, t deploy.Target, out func(fleet.Line))
	// Commits are what a rollout from one commit to another brings; to "" = what the branch holds now.
	Commits(ctx context.Context, stack, from, to string) ([]release.Commit, error)
	// Prune drops old releases of a stack, but none of inUse.
	Prune(stack string, inUse ...string) error
}

// Bot ties the train, the rollouts, the journal and the channel together. All its
// fields below the line belong to the goroutine of Run.
type Bot struct {
	cfg   Config
	store *store.Store
	chat  Chat
	inbox chan any // done, *ask, later
	ear   *ear     // what happens in the channel
	jobs  sync.WaitGroup
	runs  *runLogs
	clock func() time.Time // the wall's

	view    atomic.Pointer[View] // the newest
	viewers pokes

	// ---- owned by Run ----
	train    train.State
	book     deploy.Book
	tally    train.Tally
	unsaved  int             // journal records since the tally was saved
	notes    map[uint64]note // by rollout
	commands []Command
	at       time.Time // of the input being applied
	recs     []store.Record
	deeds    []func()
	outbox   outbox
	owes     bool                  // the journal has lines that were not said
	members  map[string]irc.Member // by folded nick
	spoke    map[string]time.Time  // by folded nick
	nick     string                // the bot's own at present
	online   bool
	away     irc.Offline // why it is not online; zero = it has not been told
	read     bool        // the topic that stood in the channel when the bot came; before, none is written
	asked    string      // the topic that was last handed to the chat; "" = none since the bot is online
	wrote    []string    // topics that were handed to the chat, newest last, at most 128
	full     bool        // the journal's disk is full: only the way back is open
	looked   time.Time   // when room was last looked for
	restored bool        // see Restored
	mute     bool        // the topic was refused (482): say so once
	hinted   map[string]time.Time
	lostAt   time.Time // when lines that were left out were last logged
	refusals map[string]*refusals
	open     map[effectKey]context.CancelFunc // effects of rollouts that are under way
	watchers map[uint64][]*ask
	resting  []*ask // wait until nothing is under way
	watches  map[deploy.Target]*watcher
	looks    map[look][]func(odd []string)      // under way, with who waits for each
	drift    map[deploy.Target]map[string]drift // by host
	brings   map[string]brings                  // by stack: what the next rollout brings, or the last one brought
	began    map[string]uint64                  // by stack: the rollout that this process began last
	audited  time.Time                          // the last time, or the start
	accounts bool                               // the server tells accounts
	codeKey  []byte                             // of one-time codes; nil where none are given
	promised string                             // what was last logged of who is who
	log      []Entry                            // the deploy log, oldest first; entries are never changed
	unshelf  []Entry                            // those that are in no volume yet, as they came
	volumes  int                                // full ones, in the journal's snapshots
	entered  []Entry                            // since the last commit
	fresh    bool                               // something happened since the last View
	readers  []*ask                             // of the deploy log as it grows
	ctx      context.Context

	crew      *crew
	archiving int     // jobs that may write where releases are kept
	change    *change // waits until no rollout is under way; nil = none
	rereading bool

	season       train.Hours // what Hours says from then on, and until when that holds
	seasonBegins time.Time
	seasonEnds   time.Time
}

// effectKey names an effect under way. There is one a kind and host of a rollout.
type effectKey struct {
	id   uint64
	kind deploy.Kind
	host string
}

// later is something that Run does when a job beside it has ended.
type later func()

// done is the answer to an effect of a rollout.
type done struct {
	effectKey
	event deploy.Event
}

// fill puts in what holds for what is not given.
func (c *Config) fill() {
	if c.Prefix == "" {
		c.Prefix = "."
	}
	if c.Open == 0 {
		c.Open = 8 * time.Hour
	}
}

// New returns a bot on the journal st, with the state that st holds.
func New(cfg Config, st *store.Store, chat Chat, d Deployer) (*Bot, error) {
	cfg.fill()
	b := &Bot{
		cfg: cfg, store: st, chat: chat, crew: &crew{Deployer: discreet{d, cfg.Secrets}},
		inbox: make(chan any, 1024), ear: newEar(cfg.Prefix, cfg.Nick), runs: openRunLogs(cfg.Dir), clock: time.Now,
		members: map[string]irc.Member{}, spoke: map[string]time.Time{}, nick: cfg.Nick,
		hinted: map[string]time.Time{}, refusals: map[string]*refusals{},
		open: map[effectKey]context.CancelFunc{}, watchers: map[uint64][]*ask{}, watches: map[deploy.Target]*watcher{},
		looks: map[look][]func([]string){}, drift: map[deploy.Target]map[string]drift{}, began: map[string]uint64{}, brings: map[string]brings{}, notes: map[uint64]note{},
	}
	if err := b.load(); err != nil {
		return nil, err
	}
	if cfg.Rules.Code {
		var err error
		if b.codeKey, err = codeKey(cfg.Dir); err != nil {
			return nil, err
		}
	}
	b.publish()
	return b, nil
}

// Restored is the snapshot that is true in a journal from a copy, until the bot has
// read the topic: what the bot has written there itself may be newer than the journal.
const Restored = "restored"

// load takes the state from the snapshots.
func (b *Bot) load() error {
	for name, v := range map[string]any{"train": &b.train, "deploy": &b.book, "unsaid": &b.outbox.lines, Restored: &b.restored} {
		if err := b.snapshot(name, v); err != nil {
			return err
		}
	}
	b.owes = len(b.outbox.lines) > 0
	if err := b.loadTally(); err != nil {
		return err
	}
	return b.loadLog()
}

// Deliver takes what an irc.Link tells, until ctx ends.
func (b *Bot) Deliver(ctx context.Context, events <-chan irc.Event) {
	for {
		from, taken := events, (<-chan struct{})(nil)
		if b.ear.full() {
			from, taken = nil, b.ear.taken
		}
		select {
		case e := <-from:
			b.ear.put(e)
		case <-taken:
		case <-ctx.Done():
			return
		}
	}
}

// Run owns the bot's state until ctx ends, or the journal can't be written any
// more. Then it calls off the effects under way and waits for them; what becomes of
// their rollouts is decided at the next start.
func (b *Bot) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	b.ctx = ctx
	defer b.runs.close()
	defer b.jobs.Wait()
	defer b.leaveWatches()
	defer stop()
	b.crew.ctx, b.crew.leave = context.WithCancel(ctx)
	if err := b.start(); err != nil {
		return err
	}
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	b.beat()
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-b.inbox:
			if ctx.Err() != nil {
				return nil // what was called off just now has not failed
			}
			b.handle(x)
			if err := b.work(); err != nil {
				return err
			}
		case <-b.ear.wake:
			if err := b.work(); err != nil {
				return err
			}
		case <-tick.C:
			b.hours()
			if due := b.train.Due(); !due.IsZero() && !b.now().Before(due) && b.online {
				b.apply(train.Who{}, train.Tick{})
			}
			b.flushRefusals()
			b.logLost()
			b.room()
			b.audit()
			b.watch()
			_ = b.takeUp()
			if err := b.commit(); err != nil {
				return err
			}
			b.beat()
		}
	}
}

// work handles what waits together, in one transaction. Of what people say there may
// be no end: they are answered in between.
func (b *Bot) work() error {
	for n := 0; n < maxBatch && len(b.recs) < maxBatch; n++ {
		x, ok := b.next()
		if !ok {
			break
		}
		b.handle(x)
	}
	_ = b.takeUp() // it has logged why not
	return b.commit()
}

// maxBatch is how many inputs, or records of them, one transaction has.
const maxBatch = 256

// next is what waits: what rollouts and shells have to say first.
func (b *Bot) next() (any, bool) {
	select {
	case x := <-b.inbox:
		return x, true
	default:
		return b.ear.take()
	}
}

// start brings the rules in and takes up what a crash has left.
func (b *Bot) start() error {
	b.takeReserve()
	b.audited = b.now()
	b.configure()
	b.hours()
	for _, id := range slices.Sorted(maps.Keys(b.book.Open)) {
		r, open := b.book.Open[id] // one that ends may have ended the others of its train
		if open && r.State != deploy.Stuck && !b.cfg.Idle {
			if err := b.deployApply(id, deploy.Resume{}); err != nil {
				return fmt.Errorf("resume rollout %d: %w", id, err)
			}
		}
	}
	b.startWatching()
	b.recallWatches()
	b.recallBrings()
	return b.commit()
}

func (b *Bot) beat() {
	if b.cfg.Beat != nil {
		b.cfg.Beat()
	}
}

func (b *Bot) handle(x any) {
	b.hours()
	switch x := x.(type) {
	case talk:
		b.onSaid(x)
	case deaf:
		b.answer(string(x), refused, b.deafText())
	case irc.Event:
		b.fresh = true
		b.onIRC(x)
	case done:
		delete(b.open, x.effectKey)
		b.runs.answer(x)
		if err := b.deployApply(x.id, x.event); err != nil {
			panic(fmt.Sprintf("bot: an answer was refused: %v", err)) // unreachable: answers never are
		}
		if _, open := b.book.Open[x.id]; !open {
			b.deeds = append(b.deeds, func() { b.runs.end(x.id) }) // it came when the log was closed already
		}
	case *ask:
		b.onAsk(x)
	case later:
		x()
	default:
		panic(fmt.Sprintf("bot: unknown input %T", x))
	}
}

// hand has Run do f, unless the bot ends first. It is for jobs beside it.
func (b *Bot) hand(f func()) {
	select {
	case <-b.ctx.Done():
	case b.inbox <- later(f):
	}
}

// call has Run do f and waits for what it answers. Any goroutine may call it while
// Run runs; its error is ctx's.
func call[T any](ctx context.Context, b *Bot, f func(answer chan<- T)) (answer T, err error) {
	out := make(chan T, 1)
	select {
	case b.inbox <- later(func() { f(out) }):
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	select {
	case answer = <-out:
		return answer, nil
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// now is the time of the input being applied, or the wall clock's between inputs.
func (b *Bot) now() time.Time {
	if !b.at.IsZero() {
		return b.at
	}
	return b.clock().Round(0)
}

// apply feeds the train core. What came of it is said and done after commit.
// A refusal is returned and has changed nothing.
func (b *Bot) apply(by train.Who, e train.Event) error {
	b.at = b.clock().Round(0)
	if b.full && !allowedWhenFull(by, e) {
		return errFull
	}
	in := train.Input{At: b.at, By: by, Event: e}
	next, effects, err := b.train.Apply(in)
	if err != nil {
		return err
	}
	rec, err := record(in, known(b.train, by), effects)
	if err != nil {
		panic(fmt.Sprintf("bot: %v", err)) // unreachable: events and effects are plain data
	}
	b.train, b.fresh = next, true
	b.recs = append(b.recs, rec)
	for _, f := range effects {
		b.tally.Add(in.At, f, b.isLast)
		b.noted(in.At, f)
		b.tell(by, f)
		b.deed(f)
	}
	return nil
}

// commit makes what was applied durable, then acts and speaks, and shows it to those who look.
func (b *Bot) commit() error {
	b.at = time.Time{}
	if len(b.recs) > 0 || b.watchesChanged() {
		snapshots, err := b.snapshots()
		if err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
		b.trace(false)
		if err := b.write(snapshots); err != nil {
			return fmt.Errorf("commit to the journal: %w", err)
		}
		b.trace(true)
		b.unsaved += len(b.recs)
		b.recs = b.recs[:0]
	}
	b.tellEntered()
	deeds := b.deeds
	b.deeds = nil
	b.writeTopic()
	for _, f := range deeds {
		f()
	}
	if b.online {
		b.outbox.flush(b.now(), b.chat)
	}
	if b.runs.news.Swap(false) || b.fresh {
		b.publish()
	}
	return nil
}

// snapshots is the state as the journal keeps it. What the channel has not heard
// because IRC is down is kept too: a bot that starts later says it.
func (b *Bot) snapshots() (map[string][]byte, error) {
	state := map[string]any{"train": b.train, "deploy": b.book}
	if b.restored && b.read {
		b.restored, state[Restored] = false, false
	}
	if !b.online || b.owes {
		owed := []line{}
		if !b.online {
			owed = b.outbox.lines
		}
		state["unsaid"], b.owes = owed, len(owed) > 0
	}
	out := make(map[string][]byte, len(state))
	for name, v := range state {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[name] = body
	}
	return out, errors.Join(b.saveTally(out), b.shelve(out), b.saveWatches(out))
}

// trace tells who wants to know what is about to be written, or was.
func (b *Bot) trace(written bool) {
	if b.cfg.Trace == nil {
		return
	}
	for _, rec := range b.recs {
		b.cfg.Trace(rec, written)
	}
}

// answer tells one person; channel tells all. Both wait for the commit.
func (b *Bot) answer(nick string, k kind, text string) {
	if nick != "" {
		b.outbox.answer(b.now(), answer{nick, text, k})
	}
}

func (b *Bot) channel(key, text string) { b.outbox.say(b.now(), line{Key: key, Text: text}) }

// talk is for what anybody may have the bot say, as often as they like.
func (b *Bot) talk(key, text string) {
	b.outbox.say(b.now(), line{Key: key, Text: text, Talk: true})
}

func (b *Bot) same(a, c string) bool { return b.train.Casemap.Same(a, c) }

// isLast reports whether a stage is the last of its stack.
func (b *Bot) isLast(stack, stage string) bool {
	return stage != "" && b.lastStage(stack).Stage == stage
}
