package bot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// Entry is one line of the deploy log: a rollout that has ended, or a text that a
// person wrote there. The journal keeps it as a fact of the answer that ended the rollout.
type Entry struct {
	At      time.Time    `json:"at"` // when it ended, or was written
	By      string       `json:"by"`
	Text    string       `json:"text,omitempty"`    // what a person wrote; all below is empty then
	Rollout uint64       `json:"rollout,omitempty"` // its number; 0 = a text
	Stack   string       `json:"stack,omitempty"`
	Stage   string       `json:"stage,omitempty"`
	Outcome deploy.State `json:"outcome,omitempty"`
	Old     Ship         `json:"old,omitzero"` // what was live when it ended, or before it went live
	New     Ship         `json:"new,omitzero"` // what it shipped; zero = it was not built
	Began   time.Time    `json:"began,omitzero"`
	Phases  []Phase      `json:"phases,omitempty"` // in order
	Hosts   int          `json:"hosts,omitempty"`
	Host    string       `json:"host,omitempty"`  // the one that was brought up to date; "" = the stage was shipped to
	Train   int          `json:"train,omitempty"` // 0 = from the shell
	Riders  []string     `json:"riders,omitempty"`
	Back    bool         `json:"back,omitempty"`   // it was a rollback
	Why     string       `json:"why,omitempty"`    // of a rollback, or why gates were passed over
	Reason  string       `json:"reason,omitempty"` // why it did not end DONE
	Tail    []string     `json:"tail,omitempty"`   // last lines of what failed
}

// Ship is a release as pages and machines are told of it.
type Ship struct {
	Release string `json:"release,omitempty"`
	Commit  string `json:"commit,omitempty"`
}

// Phase is when a rollout came into a state.
type Phase struct {
	State deploy.State `json:"state"`
	At    time.Time    `json:"at"`
}

// Took is how long the rollout lasted.
func (e Entry) Took() time.Duration { return e.At.Sub(e.Began) }

// Live reports whether what it shipped went live on its stage.
func (e Entry) Live() bool { return e.Outcome.Live() && e.Host == "" }

// logMax is how many entries of the deploy log are kept at hand, the newest ones.
// The journal has all of them.
const logMax = 50_000

// enter writes e into the deploy log. A STUCK rollout that ends at last takes the
// place of its first entry: views that are out keep the slice that they have.
func (b *Bot) enter(e Entry) {
	b.unshelf, b.entered = append(b.unshelf, e), append(b.entered, e)
	const recent = 200 // entries: so long a rollout is not STUCK
	for i := len(b.log) - 1; e.Rollout != 0 && i >= max(0, len(b.log)-recent); i-- {
		if b.log[i].Rollout == e.Rollout {
			b.log = slices.Delete(slices.Clone(b.log), i, i+1)
			break
		}
	}
	b.log = append(b.log, e)
	b.log = b.log[max(0, len(b.log)-logMax):]
	for _, a := range b.readers {
		if a.wants(e) {
			b.send(a, Reply{Line: e.String(), Data: e})
		}
	}
}

// tellEntered hands on what has come to the deploy log.
func (b *Bot) tellEntered() {
	if b.cfg.Entered != nil {
		for _, e := range b.entered {
			b.cfg.Entered(e)
		}
	}
	b.entered = nil
}

// String is e as one line.
func (e Entry) String() string {
	at := e.At.UTC().Format(time.DateTime)
	if e.Text != "" {
		return fmt.Sprintf("%s  %s says: %s", at, e.By, e.Text)
	}
	who := e.By
	if len(e.Riders) > 0 {
		who = strings.Join(e.Riders, ", ")
	}
	old, now := e.Old.Release, e.New.Release
	if old == "" {
		old = "nothing"
	}
	if now == "" {
		now = "nothing"
	}
	text := fmt.Sprintf("%s  %-16s %-13s %s -> %s  %s, %s", at, e.Stack+"/"+e.Stage, e.Outcome, old, now, who, about(e.Took()))
	if e.Host != "" {
		text += ", " + e.Host + " alone"
	}
	if e.Back {
		text += ", a rollback by " + e.By
	}
	if e.Why != "" {
		text += fmt.Sprintf(" %q", e.Why)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// entriesShown is how many entries are listed at most: more would not fit what an ask holds.
const entriesShown = 500

// askEntries lists the deploy log, oldest first, and stays with it if asked to.
func (b *Bot) askEntries(a *ask) {
	var list []Entry
	for _, e := range slices.Backward(b.log) {
		if len(list) == entriesShown || e.At.Before(a.req.Since) {
			break
		}
		if a.wants(e) {
			list = append(list, e)
		}
	}
	for _, e := range slices.Backward(list) {
		b.send(a, Reply{Line: e.String(), Data: e})
	}
	if !a.req.Follow {
		b.end(a, ExitDone, nil)
		return
	}
	b.readers = slices.DeleteFunc(b.readers, (*ask).left)
	b.readers = append(b.readers, a)
}

// wants reports whether a reader of the deploy log asked for e.
func (a *ask) wants(e Entry) bool {
	return !a.left() && (a.req.Stack == "" || e.Stack == a.req.Stack || e.Text != "")
}

// left reports whether nobody waits for the answer any more.
func (a *ask) left() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// entry describes a rollout that has ended. It is called when the book has its end already.
func (b *Bot) entry(r deploy.Rollout, e deploy.Ended) Entry {
	out := Entry{
		At: b.now().UTC(), By: r.By, Rollout: r.ID, Stack: r.Stack, Stage: r.Stage, Outcome: e.Outcome,
		New: shipOf(r.Release), Began: r.Began, Phases: phasesOf(r), Hosts: len(r.Hosts), Train: r.Train,
		Back: r.Start.Back, Why: r.Why, Reason: e.Reason, Tail: e.Tail,
	}
	if e.Outcome == deploy.Done {
		out.Reason = ""
	}
	if r.Sync && len(r.Hosts) == 1 {
		out.Host = r.Hosts[0].Name
	}
	before := b.book.Shipped[r.Target.String()]
	if e.Outcome.Live() && !r.Sync && len(before) > 0 {
		before = before[1:]
	}
	if len(before) > 0 {
		out.Old = shipOf(before[0].Release)
	}
	if r.Train != 0 {
		out.Riders = b.riders(r.Train)
	}
	return out
}

func shipOf(r deploy.Release) Ship { return Ship{Release: r.ID, Commit: r.Commit} }

// phasesOf lists the states of a rollout in the order in which they were entered.
func phasesOf(r deploy.Rollout) []Phase {
	var out []Phase
	for s, at := range r.Entered {
		out = append(out, Phase{s, at})
	}
	slices.SortFunc(out, func(a, b Phase) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return slices.Index(stateOrder, a.State) - slices.Index(stateOrder, b.State)
	})
	return out
}

// stateOrder is the order of states that are entered in one moment.
var stateOrder = []deploy.State{deploy.Intent, deploy.Building, deploy.Fencing, deploy.Preparing, deploy.Verifying, deploy.Barrier,
	deploy.Flipping, deploy.Confirming, deploy.RollBack, deploy.Stuck, deploy.Aborted, deploy.RolledBack, deploy.Degraded, deploy.Done}

// typeEnded is the name of an entry among the facts of a record.
const typeEnded = "Ended"

// endedFacts is how the journal keeps an entry beside the answer that ended the rollout.
func endedFacts(e Entry) json.RawMessage {
	v, err := json.Marshal(e)
	if err == nil {
		v, err = json.Marshal([]fact{{typeEnded, v}})
	}
	if err != nil {
		panic(fmt.Sprintf("bot: %v", err)) // unreachable: an entry is plain data
	}
	return v
}

// The deploy log is kept at hand by volumes of volumeSize entries among the journal's
// snapshots, each written once, so that a start reads these and the few records since
// the last one, and not the whole journal:
//
//	log     shelf
//	log N   the entries of volume N, from 0 on, as they came
const volumeSize = 1000

// shelf says which volumes there are.
type shelf struct {
	Volumes int
	Last    uint64 // the number of the record up to which entries are in them
}

func volume(n int) string { return fmt.Sprintf("log %d", n) }

// shelve writes a volume when there is enough for one.
func (b *Bot) shelve(snapshots map[string][]byte) error {
	if len(b.unshelf) < volumeSize {
		return nil
	}
	entries, err := json.Marshal(b.unshelf)
	if err != nil {
		return err
	}
	s, err := json.Marshal(shelf{b.volumes + 1, b.store.Last() + uint64(len(b.recs))})
	if err != nil {
		return err
	}
	snapshots[volume(b.volumes)], snapshots["log"] = entries, s
	b.volumes++
	b.unshelf = nil
	return nil
}

// loadLog reads the deploy log at the start.
func (b *Bot) loadLog() error {
	var s shelf
	if err := b.snapshot("log", &s); err != nil {
		return err
	}
	for n := max(0, s.Volumes-logMax/volumeSize); n < s.Volumes; n++ {
		var entries []Entry
		if err := b.snapshot(volume(n), &entries); err != nil {
			return err
		}
		for _, e := range entries {
			b.enter(e)
		}
	}
	b.volumes, b.unshelf = s.Volumes, nil
	defer func() { b.entered = nil }() // these are no news
	for rec, err := range b.store.Records(s.Last + 1) {
		if err != nil {
			return err
		}
		if err := b.remember(rec); err != nil {
			return fmt.Errorf("read record %d: %w", rec.Seq, err)
		}
	}
	return nil
}

// snapshot reads a snapshot into v, and leaves v alone when there is none.
func (b *Bot) snapshot(name string, v any) error {
	body, err := b.store.Snapshot(name)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("read snapshot %s: %w", name, err)
	}
	return nil
}

// remember takes the deploy log's part of a record.
func (b *Bot) remember(rec store.Record) error {
	if rec.Kind == kindTrain && (rec.Type == train.TypeName(train.Log{}) || rec.Type == train.TypeName(train.Hotfix{})) {
		effects, err := decodeFacts(rec.Facts, func(string) bool { return true })
		for _, e := range effects {
			b.noted(rec.At, e)
		}
		return err
	}
	if rec.Kind != kindDeploy || len(rec.Facts) == 0 {
		return nil
	}
	var facts []fact
	if err := json.Unmarshal(rec.Facts, &facts); err != nil {
		return err
	}
	for _, f := range facts {
		if f.Type != typeEnded {
			continue // a newer version's
		}
		var e Entry
		if err := json.Unmarshal(f.Body, &e); err != nil {
			return err
		}
		b.enter(e)
	}
	return nil
}

// noted writes what a person said with .log, and why they said .hotfix, into the deploy log.
func (b *Bot) noted(at time.Time, e train.Effect) {
	switch e := e.(type) {
	case train.Logged:
		b.enter(Entry{At: at.UTC(), By: train.Visible(e.By), Text: e.Text})
	case train.Hotfixed:
		b.enter(Entry{At: at.UTC(), By: train.Visible(e.Nick), Text: fmt.Sprintf("hotfix of %s: %s (%s)", e.Stack, e.Why, e.As)})
	}
}
