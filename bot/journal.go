package bot

import (
	"encoding/json"
	"fmt"
	"time"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// The kinds of journal records.
const (
	kindTrain   = "train"   // a train.Input and its effects
	kindDeploy  = "deploy"  // a deploy.Input
	kindRefusal = "refusal" // what a person asked for in vain
	kindShown   = "shown"   // what a person had the bot show to all
)

// body is how a train.Input is kept; its At is the record's.
type body struct {
	By    train.Who       `json:",omitzero"`
	Known string          `json:",omitempty"` // what proved who By is, see known; it is read by people
	Event json.RawMessage `json:",omitempty"`
}

// known is what proves who by is: the shell, the page, which asked for a password, or
// the identity by which the channel knows people.
func known(s train.State, by train.Who) string {
	switch {
	case by.Nick == "":
		return ""
	case by.Shell:
		return "shell"
	case by.Web != "":
		return "page"
	}
	return s.Identity()
}

// fact is how one effect is kept beside its input.
type fact struct {
	Type string
	Body json.RawMessage
}

// record is the journal's form of a train input.
func record(in train.Input, known string, effects []train.Effect) (store.Record, error) {
	event, err := json.Marshal(in.Event)
	if err != nil {
		return store.Record{}, err
	}
	b, err := json.Marshal(body{By: in.By, Known: known, Event: event})
	if err != nil {
		return store.Record{}, err
	}
	var facts []fact
	for _, e := range effects {
		v, err := json.Marshal(e)
		if err != nil {
			return store.Record{}, err
		}
		facts = append(facts, fact{train.TypeName(e), v})
	}
	rec := store.Record{At: in.At, Kind: kindTrain, Type: train.TypeName(in.Event), Body: b}
	if len(facts) > 0 {
		rec.Facts, err = json.Marshal(facts)
	}
	return rec, err
}

// RestoreRecord says in the journal and in the deploy log that a user of this machine
// has had the journal go on from a copy.
func RestoreRecord(at time.Time, user, file string) (store.Record, error) {
	by, text := shellUser(user), "the journal was taken up from "+file
	return record(train.Input{At: at, By: by, Event: train.Log{Text: text}}, known(train.State{}, by), []train.Effect{train.Logged{By: by.Nick, Text: train.CleanMessage(text)}})
}

// shellUser is a user of this machine.
func shellUser(name string) train.Who {
	return train.Who{Nick: name, User: name, Host: "shell", Shell: true}
}

// Input reads a train record back.
func Input(rec store.Record) (train.Input, error) {
	var b body
	if err := json.Unmarshal(rec.Body, &b); err != nil {
		return train.Input{}, fmt.Errorf("read record %d: %w", rec.Seq, err)
	}
	e, err := train.DecodeEvent(rec.Type, b.Event)
	if err != nil {
		return train.Input{}, fmt.Errorf("read record %d: %w", rec.Seq, err)
	}
	return train.Input{At: rec.At, By: b.By, Event: e}, nil
}

// decodeFacts reads the effects whose names are wanted.
func decodeFacts(raw json.RawMessage, wanted func(name string) bool) ([]train.Effect, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var facts []fact
	if err := json.Unmarshal(raw, &facts); err != nil {
		return nil, err
	}
	var out []train.Effect
	for _, f := range facts {
		if !wanted(f.Type) {
			continue
		}
		e, err := train.DecodeEffect(f.Type, f.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func deployRecord(in deploy.Input) (store.Record, error) {
	b, err := deploy.Marshal(in)
	return store.Record{At: in.At, Kind: kindDeploy, Type: train.TypeName(in.Event), Body: b}, err
}

// refusals counts what one person was refused for one reason within a minute
// (DESIGN §10.15): the first is journalled at once, the rest as a number.
type refusals struct {
	first time.Time
	more  int
	rec   refusal
}

// refusal is the record of it.
type refusal struct {
	By    train.Who
	Known string // as in body
	Event string // the type of the event that was refused; where there was none, the command
	Code  string
	Text  string
	Count int
}

// noteRefusal notes that what, a command, was refused because of err; e is what it
// asked for, nil where it did not come so far.
func (b *Bot) noteRefusal(by train.Who, what string, e train.Event, err error) {
	if b.full {
		return // the reserve is for what ends a rollout
	}
	if e != nil {
		what = train.TypeName(e)
	}
	code := "usage"
	if r, ok := err.(*train.Refusal); ok {
		code = r.Code
	}
	key := b.train.Casemap.Fold(by.Nick) + "\x00" + what + "\x00" + code
	if old := b.refusals[key]; old != nil {
		old.more++
		return
	}
	n := &refusals{first: b.now(), rec: refusal{By: by, Known: known(b.train, by), Event: what, Code: code, Text: train.Visible(err.Error()), Count: 1}}
	b.refusals[key] = n
	b.recordRefusal(n.rec)
}

func (b *Bot) recordRefusal(r refusal) {
	v, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("bot: %v", err)) // unreachable: a refusal is plain data
	}
	b.recs = append(b.recs, store.Record{At: b.now(), Kind: kindRefusal, Type: "Refused", Body: v})
}

// flushRefusals journals the counts of minutes that are over.
func (b *Bot) flushRefusals() {
	for key, r := range b.refusals {
		if b.now().Sub(r.first) < time.Minute {
			continue
		}
		if r.more > 0 {
			r.rec.Count = r.more
			b.recordRefusal(r.rec)
		}
		delete(b.refusals, key)
	}
}
