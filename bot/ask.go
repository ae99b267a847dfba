package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pushtrain/bot/irc"
	"pushtrain/deploy"
	"pushtrain/train"
)

// Request is what the shell asks of a bot, through its socket or in its own process.
type Request struct {
	Do       string // deploy, rollback, dry-deploy, dry-rollback, abort, hold, unhold, rest, status, queue, stats, past, log, entries, audit, verify, reload
	By       string // the shell user
	Stack    string
	Stage    string
	Host     string   // sync: whom
	Text     string   // why, the text of log, or what stats are about, as `30d web`
	Override string   // deploy: why the gates are passed over; "" = they hold
	Remove   []string // reload: hosts that may be gone from the configuration
	Audit    bool     // status: hosts read all of what they serve
	Follow   bool     // deploy, rollback, sync: wait for the outcome; entries: and those to come

	Since time.Time `json:",omitzero"` // entries, audit: none older; zero = the newest entriesShown
}

// Reply is one line of the answer. The last one has Over set.
type Reply struct {
	Line    string `json:",omitempty"`
	Host    string `json:",omitempty"` // whose progress it is
	Percent int    `json:",omitempty"`
	Over    bool   `json:",omitempty"`
	Exit    int    `json:",omitempty"` // with Over: the exit code, see the package comment of cmd/pushtrain
	Data    any    `json:",omitempty"` // the same for machines
}

// The exit codes that a bot decides on.
const (
	ExitDone   = 0
	ExitFailed = 1 // the fleet serves what it served before
	ExitUsage  = 2
	ExitLook   = 3 // hosts differ: needs a look
	ExitNotNow = 4 // held, busy, not your turn
)

// ask is a Request under way. Lines may be lost to a slow reader, the end may not.
type ask struct {
	req  Request
	out  chan Reply
	over chan Reply    // takes one
	gone chan struct{} // closed when nobody waits any more
}

func (a *ask) send(r Reply) {
	select {
	case a.out <- r:
	default: // a slow reader is not waited for
	}
}

func (a *ask) end(exit int, data any, lines ...string) {
	for _, l := range lines {
		a.send(Reply{Line: l})
	}
	select {
	case a.over <- Reply{Over: true, Exit: exit, Data: data}:
	default: // it has ended already
	}
}

// Ask puts a request to the bot and hands each reply to out, the last one with
// Over set. It returns the exit code. Any goroutine may call it while Run runs.
func (b *Bot) Ask(ctx context.Context, req Request, out func(Reply)) (int, error) {
	a := &ask{req: req, out: make(chan Reply, 1024), over: make(chan Reply, 1), gone: make(chan struct{})}
	defer close(a.gone)
	select {
	case b.inbox <- a:
	case <-ctx.Done():
		return ExitFailed, ctx.Err()
	}
	for {
		select {
		case r := <-a.out:
			out(r)
		case r := <-a.over:
			for len(a.out) > 0 {
				out(<-a.out)
			}
			out(r)
			return r.Exit, nil
		case <-ctx.Done():
			return ExitFailed, ctx.Err()
		}
	}
}

// send and end answer an ask when all that was applied is on the disk.
func (b *Bot) send(a *ask, r Reply) { b.deeds = append(b.deeds, func() { a.send(r) }) }

func (b *Bot) end(a *ask, exit int, data any, lines ...string) {
	b.deeds = append(b.deeds, func() { a.end(exit, data, lines...) })
}

func (b *Bot) onAsk(a *ask) {
	q := a.req
	q.Override = train.CleanMessage(q.Override) // it is said in the channel, and shown on terminals
	by := shellUser(q.By)
	args := words(q.Stack)
	switch q.Do {
	case "deploy":
		b.askDeploy(a, by, train.Ship{Stack: q.Stack, Stage: q.Stage, Override: q.Override})
	case "rollback":
		by.Op = true // who reaches the socket, or the journal's file, is trusted with the way back
		b.askDeploy(a, by, train.Rollback{Stack: q.Stack, Stage: q.Stage, Why: q.Text})
	case "sync":
		if !slices.Contains(b.cfg.Fleets[deploy.Target{Stack: q.Stack, Stage: q.Stage}].Hosts, q.Host) {
			b.end(a, ExitUsage, nil, fmt.Sprintf("%s/%s has no host %s", q.Stack, q.Stage, q.Host))
			return
		}
		b.askDeploy(a, by, train.Sync{Stack: q.Stack, Stage: q.Stage, Host: q.Host})
	case "dry-deploy": // a word of its own: a bot that is older must not take it for the deed
		b.askDry(a, by, train.Ship{Stack: q.Stack, Stage: q.Stage, Override: q.Override})
	case "dry-rollback":
		by.Op = true
		b.askDry(a, by, train.Rollback{Stack: q.Stack, Stage: q.Stage, Why: q.Text})
	case "abort", "hold", "unhold", "log":
		by.Op = true
		event := map[string]train.Event{
			"abort": train.Abort{Stack: q.Stack}, "hold": train.Halt{Stack: q.Stack, Why: q.Text},
			"unhold": train.Lift{Stack: q.Stack}, "log": train.Log{Text: q.Text},
		}[q.Do]
		if err := b.apply(by, event); err != nil {
			b.noteRefusal(by, q.Do, event, err)
			b.end(a, ExitNotNow, nil, err.Error())
			return
		}
		b.end(a, ExitDone, nil)
	case "status":
		where, why, cure := "irc: not in the channel", "", ""
		switch {
		case b.online:
			where = fmt.Sprintf("irc: in %s as %s", b.cfg.Channel, b.nick)
		case b.away.Err != nil:
			why, cure = train.Visible(b.away.Err.Error()), irc.Cure(b.away.Err)
			where += ": " + why
		}
		lines := append(b.statusLines(args), where)
		for i, line := range lines {
			lines[i] = strings.ReplaceAll(line, pingBreak, "") // a terminal rings for nobody
		}
		b.look(look{b.stackWord(args), q.Audit}, func(odd []string) {
			exit := ExitDone
			if len(odd) > 0 || slices.ContainsFunc(b.train.Busy, func(r train.Run) bool { return r.Stuck }) {
				exit = ExitLook
			}
			b.end(a, exit, map[string]any{"live": b.train.Live, "running": b.train.Busy, "held": b.train.Queue.Holds, "hours": b.train.Hours, "online": b.online, "away": why, "cure": cure,
				"quarantine": b.book.Quarantine, "odd": odd}, append(lines, odd...)...)
		})
	case "rest":
		b.resting = append(b.resting, a)
		b.tellResting()
	case "verify":
		b.askVerify(a)
	case "audit":
		b.askAudit(a)
	case "reload":
		b.askReload(a, by)
	case "queue":
		b.end(a, ExitDone, map[string]any{"topic": b.train.Topic(), "queue": b.train.Queue}, answerQueue(b, by, nil)...)
	case "entries":
		b.askEntries(a)
	case "stats":
		how, err := b.question(words(q.Text))
		if err != nil {
			b.end(a, ExitUsage, nil, err.Error())
			return
		}
		s := b.tally.Stats(how)
		b.end(a, ExitDone, s, statsLines(s)...)
	case "past":
		b.end(a, ExitDone, b.tally.Past(b.now(), 30))
	default:
		b.end(a, ExitUsage, nil, fmt.Sprintf("no such request: %s", q.Do))
	}
}

// askDry says whether e would be refused now, and to which release a rollback would go; nothing comes of it.
func (b *Bot) askDry(a *ask, by train.Who, e train.Event) {
	if err := b.would(by, e); err != nil {
		a.end(ExitNotNow, nil, err.Error())
		return
	}
	if back, ok := e.(train.Rollback); ok {
		if rel, ok := b.book.Previous(deploy.Target{Stack: back.Stack, Stage: back.Stage}); ok {
			a.send(Reply{Line: rel.ID})
		}
	}
	a.end(ExitDone, nil)
}

// askDeploy starts a rollout and, if asked to, stays with it to its end.
func (b *Bot) askDeploy(a *ask, by train.Who, e train.Event) {
	if err := b.try(by, e); err != nil {
		b.noteRefusal(by, a.req.Do, e, err)
		b.end(a, ExitNotNow, nil, err.Error())
		return
	}
	if s, ok := e.(train.Ship); ok {
		text := fmt.Sprintf("%s deploys %s/%s from the shell", quietly(by.Nick), s.Stack, s.Stage)
		if s.Override != "" {
			text += ", over the gates: " + s.Override
		}
		b.channel("", text)
	}
	if s, ok := e.(train.Sync); ok {
		b.channel("", fmt.Sprintf("%s brings %s of %s/%s up to date from the shell", quietly(by.Nick), s.Host, s.Stack, s.Stage))
	}
	id, open := b.running(a.req.Stack)
	if !open {
		b.end(a, ExitFailed, nil, "it ended at once: see the log")
		return
	}
	b.follow(a, id)
}

// follow stays with a rollout that is under way, if it is asked to.
func (b *Bot) follow(a *ask, id uint64) {
	r := b.book.Open[id]
	b.send(a, Reply{Line: fmt.Sprintf("rollout %d", id)})
	b.send(a, Reply{Line: fmt.Sprintf("%s: %s", r.Target, r.State)})
	if !a.req.Follow {
		b.end(a, ExitDone, map[string]any{"rollout": id})
		return
	}
	b.watchers[id] = append(b.watchers[id], a)
}

// tellResting ends the asks that wait until nothing is under way. Their exit code says whether something is STUCK.
func (b *Bot) tellResting() {
	exit := ExitDone
	for _, r := range b.book.Open {
		if r.State != deploy.Stuck {
			return
		}
		exit = ExitLook
	}
	for _, a := range b.resting {
		b.end(a, exit, nil)
	}
	b.resting = nil
}

// tellWatchers ends the asks that wait for a rollout.
func (b *Bot) tellWatchers(r deploy.Rollout, e deploy.Ended) {
	exit, text := ExitFailed, ""
	switch e.Outcome {
	case deploy.Done:
		exit, text = ExitDone, fmt.Sprintf("%s serves %s on %s", r.Target, r.Release.ID, plural(len(r.Hosts), "host"))
	case deploy.Degraded:
		exit, text = ExitLook, fmt.Sprintf("%s serves %s, but not everywhere; %s", r.Target, r.Release.ID, e.Reason)
	case deploy.Aborted:
		why := e.Reason
		if r.Back {
			why = wayOn(why, "\n  ")
		}
		text = "nothing live was touched: " + why
	case deploy.RolledBack:
		text = "flipped back, the fleet serves what it served before: " + e.Reason
	default:
		exit, text = ExitLook, "STUCK, the hosts differ: "+e.Reason
	}
	for _, w := range b.watchers[r.ID] {
		exit := exit
		if w.req.Do == "rollback" && !(r.Back && r.Stage == w.req.Stage) { // it was in the way of what was asked for
			if next, open := b.running(r.Stack); open && next != r.ID {
				b.follow(w, next)
				continue
			}
			_, shipped := b.book.Live(r.Target)
			switch stopped := e.Outcome == deploy.RolledBack || e.Outcome == deploy.Aborted && !shipped; {
			case stopped && r.Stage == w.req.Stage && !r.Sync:
				exit = ExitDone
			case e.Outcome == deploy.Done:
				exit = ExitFailed
			}
		}
		b.end(w, exit, map[string]any{"rollout": r.ID, "outcome": e.Outcome, "release": r.Release, "reason": e.Reason, "log": b.runs.path(r.ID)},
			strings.TrimSpace(strings.Join(append([]string{text}, e.Tail...), "\n  ")))
	}
	delete(b.watchers, r.ID)
}
