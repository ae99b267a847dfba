package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rules are those that most tests run under.
var rules = Rules{Cap: 3, Stacks: []Stack{
	{Name: "web", Stages: []Stage{{Name: "princess"}, {Name: "prod"}}},
	{Name: "config", Aliases: []string{"c"}, Stages: []Stage{{Name: "princess"}, {Name: "prod"}}},
	{Name: "search", Stages: []Stage{{Name: "qa", External: true}, {Name: "prod"}}},
}}

var people = []string{"alice", "bob", "carol", "dave", "erin", "x{y", "X[Y", "bob|away", "clear"}

func person(nick string) Who { return Who{Nick: nick, User: nick, Host: "host." + nick} }

// inputs draws what may happen to a queue. Nothing about it is fair: refusals are as welcome as changes.
func inputs(t *rapid.T, s State) Input {
	who := rapid.SampledFrom(people)
	stack := rapid.SampledFrom([]string{"", "web", "config", "search"})
	stage := rapid.SampledFrom([]string{"princess", "prod", "qa"})
	text := rapid.SampledFrom([]string{"", "slow", "db is down", `say "hi"`})
	by := person(who.Draw(t, "by"))
	by.Op = rapid.IntRange(0, 9).Draw(t, "op") == 0
	by.Account = rapid.SampledFrom([]string{"", by.Nick}).Draw(t, "account")
	code := rapid.IntRange(0, s.Codes)
	var e Event
	switch rapid.IntRange(0, 21).Draw(t, "what") {
	case 0, 1, 2, 3:
		j := Join{Stack: stack.Draw(t, "stack"), AskMe: rapid.Bool().Draw(t, "askme"), Hold: rapid.IntRange(0, 5).Draw(t, "hold") == 0, Message: text.Draw(t, "msg")}
		switch rapid.IntRange(0, 4).Draw(t, "where") {
		case 0:
			j.With = who.Draw(t, "with")
		case 1:
			j.Before = who.Draw(t, "before")
		case 2:
			j.Last = true
		}
		e = j
	case 4:
		e = Leave{Last: rapid.Bool().Draw(t, "last")}
	case 5:
		d := Drive{Code: code.Draw(t, "code")}
		if rapid.Bool().Draw(t, "to") {
			d.To = who.Draw(t, "whom")
		}
		e = d
	case 6, 7:
		e = Vote{Stack: stack.Draw(t, "stack"), Mark: rapid.SampledFrom([]Mark{Good, Good, Good, Uhoh}).Draw(t, "mark")}
	case 8, 9:
		e = rapid.SampledFrom([]Event{Step{Stage: stage.Draw(t, "stage"), Code: code.Draw(t, "code")}, Confirm{Code: code.Draw(t, "code")}}).Draw(t, "start")
	case 10:
		e = At{Stage: stage.Draw(t, "stage")}
	case 11:
		e = Done{}
	case 12:
		e = rapid.SampledFrom([]Event{Abort{}, Rollback{Why: "bad"}, Rollback{Stack: "web", Stage: "princess"}, Kick{Nick: who.Draw(t, "kick")}, Note{Text: text.Draw(t, "note")}}).Draw(t, "stop")
	case 13:
		e = rapid.SampledFrom([]Event{Halt{Stack: "config"}, Halt{Why: "db"}, Lift{}}).Draw(t, "hold")
	case 14:
		e = rapid.SampledFrom([]Event{Parted{}, Heard{}, Heard{Spoke: true}, Renamed{To: who.Draw(t, "nick")},
			Identified{As: person(by.Nick)}, Handed{N: code.Draw(t, "handed")}, Voided{N: code.Draw(t, "said")}}).Draw(t, "presence")
	case 15:
		e = Edited{Text: editOf(t, s), Away: rapid.Bool().Draw(t, "away"), Known: rapid.SliceOf(rapid.SampledFrom(people)).Draw(t, "known"), Here: []Who{by}}
		by.Op = false
	case 16:
		e = Shown{Text: s.Topic()}
		if rapid.IntRange(0, 3).Draw(t, "online") == 0 {
			e = Online{Casemap: s.Casemap, Limit: rapid.SampledFrom([]int{0, 30, 60}).Draw(t, "limit"), Riders: []Who{by}, Accounts: rapid.Bool().Draw(t, "accounts"), Still: rapid.Bool().Draw(t, "still")}
		}
		by = Who{}
	case 17:
		e = Ship{Stack: "web", Stage: stage.Draw(t, "stage"), Override: text.Draw(t, "why")}
	case 18:
		e = Hotfix{Stack: stack.Draw(t, "stack"), Why: text.Draw(t, "why")}
	case 19:
		by = Who{}
		e = Hours{Closed: rapid.Bool().Draw(t, "closed"), Until: s.clock().Add(time.Hour), Zone: "UTC"}
	default:
		by = Who{}
		e = Tick{}
		if len(s.Busy) > 0 {
			run := rapid.SampledFrom(s.Busy).Draw(t, "run")
			if rapid.Bool().Draw(t, "built") {
				e = Pinned{Train: run.Train, Shipment: Shipment{Stack: run.Stack, Commit: "c0ffee", Release: "c0ff", Digest: "d"}}
			} else {
				e = Ended{Stack: run.Stack, Stage: run.Stage, Shipment: Shipment{Stack: run.Stack, Commit: "c0ffee", Release: "c0ff", Digest: "d"},
					Outcome: rapid.SampledFrom([]Outcome{OutDone, OutDone, OutDone, OutAborted, OutRolledBack, OutStuck}).Draw(t, "outcome")}
			}
		}
	}
	return Input{At: s.clock().Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second), By: by, Event: e}
}

// clock is the newest time that the state has seen, for the generator.
func (s State) clock() time.Time {
	at := time.Date(2013, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, x := range s.Seen {
		at = latestOf(at, x.At)
	}
	for _, tr := range s.Queue.Trains {
		at = latestOf(at, tr.Since)
		for _, r := range tr.Riders {
			at = latestOf(at, r.Joined)
		}
	}
	return at
}

func latestOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// editOf is what a person may make of the topic.
func editOf(t *rapid.T, s State) string {
	parts := strings.Split(s.Topic(), " | ")
	texts := []string{"after lunch", "ask alice", "Off!!", "HOLD", `HOLD (c) "x"`, "<prod> bob", "a | b", "carol (config)", "dave (askme)",
		"Off-Hours!!", "Off-Hours!! slush", `!! "m"`, "| x", `erin (HOLD) (x) "why"`, "… +3", "alice bob", "clear"}
	switch rapid.IntRange(0, 7).Draw(t, "edit") {
	case 5:
		parts = slices.Insert(parts, rapid.IntRange(0, len(parts)).Draw(t, "at"), rapid.SampledFrom(texts).Draw(t, "text"))
	case 6:
		parts[rapid.IntRange(0, len(parts)-1).Draw(t, "at")] += rapid.SampledFrom([]string{" + alice", " + bob|away", " please", "*", "!", " (c)", ` "m"`, " + x[y"}).Draw(t, "tail")
	case 0:
		return ""
	case 1:
		slices.Reverse(parts)
	case 2:
		parts = append(parts, rapid.SampledFrom(people).Draw(t, "added"))
	case 3:
		parts = slices.Delete(parts, 0, 1)
	case 4:
		return rapid.StringMatching(`[a-z|+*!"<>() ]{0,40}`).Draw(t, "any")
	}
	return strings.Join(parts, " | ")
}

// check asserts what holds for every state.
func check(t rapid.TB, s State, e Event) {
	ids := map[int]bool{}
	for _, tr := range s.Queue.Trains {
		if len(tr.Riders) == 0 {
			t.Fatalf("after %T: a train without riders: %s", e, s.Topic())
		}
		if tr.ID == 0 || ids[tr.ID] {
			t.Fatalf("after %T: train id %d is missing or twice", e, tr.ID)
		}
		ids[tr.ID] = true
		seen := map[string]bool{}
		for _, r := range tr.Riders {
			if seen[s.Casemap.Fold(r.Nick)] {
				t.Fatalf("after %T: %s rides twice in one train: %s", e, r.Nick, s.Topic())
			}
			seen[s.Casemap.Fold(r.Nick)] = true
		}
	}
	for i, tr := range s.Queue.Trains {
		for _, before := range s.Queue.Trains[:i] {
			if tr.Started() && !before.Started() && shareStack(s.Stacks(tr), s.Stacks(before)) {
				t.Fatalf("after %T: a waiting train stands in front of a started one of its lane: %s", e, s.Topic())
			}
		}
	}
	for _, tr := range s.Queue.Trains {
		if s.Hours.Closed && !tr.Up.IsZero() && !tr.Left() && tr.Haste.Why == "" {
			t.Fatalf("after %T: a train is up outside of the hours: %s", e, s.Topic())
		}
	}
	if _, found := cutOffHours(s.Queue.Banner); found && s.Rules.Hours != "" {
		t.Fatalf("after %T: a hand wrote the hours' banner: %s", e, s.Whole())
	}
	if got := s.Notation(nil).Parse(s.Whole()); !equalJSON(got, s.shown().Shown()) || strings.HasPrefix(s.Whole(), offHours) != s.Hours.Closed && s.Rules.Hours != "" {
		t.Fatalf("after %T: the topic does not say the queue: %s\n  read %s", e, s.Whole(), asJSON(got))
	}
	busy := map[string]bool{}
	for _, r := range s.Busy {
		if busy[r.Stack] {
			t.Fatalf("after %T: two rollouts of %s", e, r.Stack)
		}
		busy[r.Stack] = true
	}
	if got := s.Notation(nil).Parse(Format(s.Queue)); !equalJSON(got, s.Queue.Shown()) {
		t.Fatalf("after %T: the topic does not say the queue\n topic %s\n  read %s\n queue %s", e, Format(s.Queue), asJSON(got), asJSON(s.Queue.Shown()))
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func equalJSON(a, b any) bool { return asJSON(a) == asJSON(b) }

// TestInvariants drives the queue with anything at all.
// TestNext: what comes next is what no stack of the train has something else before.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		stacks, green, want string // green: stack/stage
	}{
		{"web", "", "princess"},
		{"web", "web/princess", "prod"},
		{"web", "web/princess web/prod", ""},
		{"search", "", "qa"},
		{"search web", "", "qa"},
		{"search web", "search/qa", "princess"},
		{"web search", "web/princess", "qa"},
		{"web search", "web/princess search/qa", "prod"},
		{"web search", "web/princess search/qa search/prod", "prod"},
		{"web wrong", "", "princess"},
	} {
		s := State{Rules: rules}
		s.Rules.Stacks = append(slices.Clone(rules.Stacks), Stack{Name: "wrong", Stages: []Stage{{Name: "prod"}, {Name: "princess"}}})
		var tr Train
		for _, stack := range strings.Fields(c.stacks) {
			tr.Riders = append(tr.Riders, Rider{Nick: "a", Stack: stack})
			ship := Shipment{Stack: stack}
			for _, g := range strings.Fields(c.green) {
				if of, stage, _ := strings.Cut(g, "/"); of == stack {
					ship.Green = append(ship.Green, stage)
				}
			}
			tr.Ships = append(tr.Ships, ship)
		}
		if got := s.Next(tr); got != c.want {
			t.Errorf("%s, green %q: next is %q, want %q", c.stacks, c.green, got, c.want)
		}
	}
}

func TestInvariants(t *testing.T) { rapid.Check(t, invariants) }

func invariants(t *rapid.T) {
	var s State
	r := rules
	r.Code = rapid.Bool().Draw(t, "codes")
	r.Hours = rapid.SampledFrom([]string{"", "mon 09:00-10:00"}).Draw(t, "hours")
	r.Stacks = slices.Clone(r.Stacks)
	r.Stacks[0].Stages = []Stage{{Name: "princess"}, {Name: "prod", Confirm: rapid.Bool().Draw(t, "confirm")}}
	start := Input{At: s.clock(), Event: Configured{Rules: r}}
	s, _, _ = s.Apply(start)
	journal := []Input{start}
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		in := inputs(t, s)
		before := asJSON(s)
		next, effects, err := s.Apply(in)
		if asJSON(s) != before {
			t.Fatalf("%T changed the state that it was applied to", in.Event)
		}
		if err != nil {
			if _, ok := err.(*Refusal); !ok || !equalJSON(next, s) || len(effects) > 0 {
				t.Fatalf("%T: a refusal that changed something, or is none: %v", in.Event, err)
			}
			continue
		}
		journal = append(journal, in)
		check(t, next, in.Event)
		capHeld(t, s, next, in.Event)
		asleep(t, s, in, effects)
		goesFirst(t, next, effects)
		nobodyLost(t, s, next, in)
		s = next
	}
	if got := replay(t, journal); got != asJSON(s) {
		t.Fatalf("the journal replays to another state\n got %s\nwant %s", got, asJSON(s))
	}
}

// asleep: outside of the hours no rollout starts for a train that is not up, nor from
// the shell, unless somebody overrides.
func asleep(t rapid.TB, before State, in Input, effects []Effect) {
	for _, e := range effects {
		d, ok := e.(Deploy)
		if !ok || !before.Hours.Closed || d.Override != "" {
			continue
		}
		if i := before.find(d.Train); i < 0 || before.Queue.Trains[i].Up.IsZero() {
			t.Fatalf("%T starts %s/%s outside of the hours: %s", in.Event, d.Stack, d.Stage, before.Topic())
		}
	}
}

// goesFirst: in front of a hotfix are trains that have left, or hotfixes.
func goesFirst(t rapid.TB, s State, effects []Effect) {
	for _, e := range effects {
		h, ok := e.(Hotfixed)
		if !ok {
			continue
		}
		k := s.find(h.Train)
		for i, tr := range s.Queue.Trains[:k] {
			later := slices.ContainsFunc(s.Queue.Trains[i:k], func(o Train) bool { return slices.Contains(s.Stacks(o), h.Stack) && (o.Left() || o.Haste.Why != "") })
			if slices.Contains(s.Stacks(tr), h.Stack) && !tr.Left() && tr.Haste.Why == "" && !later {
				t.Fatalf("a hotfix waits for a train that has not left: %s", s.Topic())
			}
		}
		for _, tr := range s.Queue.Trains[k+1:] {
			if slices.Contains(s.Stacks(tr), h.Stack) && tr.Left() {
				t.Fatalf("a hotfix got in front of a train that has left: %s", s.Topic())
			}
		}
	}
}

// capHeld: only a hand may overfill a train.
func capHeld(t rapid.TB, before, after State, e Event) {
	if _, ok := e.(Join); !ok {
		return
	}
	for _, tr := range after.Queue.Trains {
		i := before.find(tr.ID)
		if i >= 0 && len(tr.Riders) > len(before.Queue.Trains[i].Riders) && len(tr.Riders) > after.Rules.Cap {
			t.Fatalf(".join made a train of %d riders: %s", len(tr.Riders), after.Topic())
		}
	}
}

// nobodyLost: only the words that take seats take them; a hand edit takes only
// waiting ones that the channel showed.
func nobodyLost(t rapid.TB, before, after State, in Input) {
	switch in.Event.(type) {
	case Leave, Kick, Done:
		return
	case Renamed, Heard, Voided, Step, Confirm, Drive: // a seat's name may follow its owner
		if a, b := len(everybody(before.Queue)), len(everybody(after.Queue)); a != b {
			t.Fatalf("%T: %d seats became %d: %s", in.Event, a, b, after.Topic())
		}
		return
	}
	for _, tr := range before.Queue.Trains {
		for _, r := range tr.Riders {
			if slices.ContainsFunc(after.Queue.Trains, func(o Train) bool {
				return slices.ContainsFunc(o.Riders, func(p Rider) bool { return p.Nick == r.Nick || p.Who.Nick != "" && p.Who.User == r.Who.User })
			}) {
				continue
			}
			e, edit := in.Event.(Edited)
			var had []string
			for _, x := range before.Seen {
				had = append(had, x.Text)
			}
			if e.Away {
				had = append(had, before.Own...)
			}
			if edit && saysClear(e.Text, before.Notation(nil).Parse(e.Text)) && strings.Contains(strings.Join(had, ""), "…") && !tr.Started() {
				continue // an emptied topic takes those behind "… +7" too (DESIGN §10.13)
			}
			shown := slices.ContainsFunc(had, func(text string) bool {
				text = before.Casemap.Fold(text)
				return strings.Contains(text, before.Casemap.Fold(r.Nick)) || slices.ContainsFunc(before.Renamed, func(x Renaming) bool { return strings.Contains(text, before.Casemap.Fold(x.From)) })
			})
			if !edit || tr.Started() || !shown {
				t.Fatalf("%T lost %s of %s", in.Event, r.Nick, before.Topic())
			}
		}
	}
}

// replay applies a journal as it is read back from disk.
func replay(t rapid.TB, journal []Input) string {
	var s State
	for _, in := range journal {
		e, err := DecodeEvent(TypeName(in.Event), []byte(asJSON(in.Event)))
		if err != nil {
			t.Fatal(err)
		}
		next, _, err := s.Apply(Input{At: in.At, By: in.By, Event: e})
		if err != nil {
			t.Fatalf("%T is refused in the replay: %v", e, err)
		}
		s = next
	}
	return asJSON(s)
}

// TestCodecKnowsAll: a type that is not in the codec would be lost at a restart.
func TestCodecKnowsAll(t *testing.T) {
	for _, name := range typesOf(t, "event.go", "event()") {
		if _, err := DecodeEvent(name, []byte("{}")); err != nil {
			t.Errorf("event %s: %v", name, err)
		}
	}
	for _, name := range typesOf(t, "effect.go", "effect()") {
		if _, err := DecodeEffect(name, []byte("{}")); err != nil {
			t.Errorf("effect %s: %v", name, err)
		}
	}
	if _, err := DecodeEvent("Nonsense", []byte("{}")); err == nil {
		t.Error("an unknown event was read")
	}
}

func ExampleState_Apply() {
	var s State
	say := func(nick string, e Event) {
		next, _, err := s.Apply(Input{At: time.Unix(0, 0), By: person(nick), Event: e})
		if err != nil {
			fmt.Println(nick+":", err)
			return
		}
		s = next
		fmt.Println(s.Topic())
	}
	say("", Configured{Rules: rules})
	say("alice", Join{})
	say("bob", Join{With: "alice"})
	say("carol", Join{})
	say("alice", Vote{Mark: Good})
	say("bob", Step{Stage: "princess"})
	// Output:
	// clear
	// alice
	// alice + bob
	// alice + bob | carol
	// alice* + bob | carol
	// bob: alice drives this train, up since 00:00 UTC: `.drive bob` by alice hands you the wheel
}
