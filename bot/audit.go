package bot

import (
	"encoding/json"
	"fmt"
	"time"

	"pushtrain/bot/store"
	"pushtrain/train"
)

// Deed is an entry of the journal, as people read it: what somebody did, or was
// refused to do, or a step of a rollout.
type Deed struct {
	Entry   uint64          `json:"entry"` // its number
	At      time.Time       `json:"at"`
	Rollout uint64          `json:"rollout,omitempty"` // whose step it is; 0 = no step, or the first
	By      train.Who       `json:"by,omitzero"`       // nobody for a step: the entries before the first one have them
	Known   string          `json:"known,omitempty"`   // what proved who they are
	What    string          `json:"what"`              // the name of the event
	Body    json.RawMessage `json:"body,omitempty"`    // and all of it
	Refused string          `json:"refused,omitempty"` // why; "" = it was done
	Times   int             `json:"times,omitempty"`   // how often it was refused within a minute
}

// String is d as one line.
func (d Deed) String() string {
	who := "rollout"
	if d.Rollout != 0 {
		who += fmt.Sprintf(" %d", d.Rollout)
	}
	if d.By.Nick != "" {
		who = d.By.Nick
		if !d.By.Shell && d.By.User != "" {
			who += "!" + d.By.User + "@" + d.By.Host
		}
		for _, as := range [][2]string{{"account", d.By.Account}, {"login", d.By.Web}, {"known by", d.Known}} {
			if as[1] != "" {
				who += ", " + as[0] + " " + as[1]
			}
		}
	}
	text := fmt.Sprintf("%s  %d  %s: %s", d.At.UTC().Format(time.DateTime), d.Entry, who, d.What)
	switch {
	case d.Refused != "":
		text += " refused: " + d.Refused
		if d.Times > 1 {
			text += fmt.Sprintf(" (%d times)", d.Times)
		}
	case len(d.Body) > len("{}"):
		text += " " + clip(string(d.Body))
	}
	return train.Visible(text)
}

// deedOf reads an entry; ok is false for what nobody did.
func deedOf(rec store.Record) (d Deed, ok bool, err error) {
	d = Deed{Entry: rec.Seq, At: rec.At, What: rec.Type}
	switch rec.Kind {
	case kindDeploy:
		var step struct {
			ID    uint64          `json:"id"`
			Event json.RawMessage `json:"event"`
		}
		err = json.Unmarshal(rec.Body, &step)
		d.Rollout, d.Body = step.ID, step.Event
		return d, true, err
	case kindTrain, kindShown:
		var b body
		err = json.Unmarshal(rec.Body, &b)
		d.By, d.Known, d.Body = b.By, b.Known, b.Event
		return d, d.By.Nick != "" && rec.Type != train.TypeName(train.Heard{}), err
	case kindRefusal:
		var r refusal
		err = json.Unmarshal(rec.Body, &r)
		d.By, d.Known, d.What, d.Refused, d.Times = r.By, r.Known, r.Event, r.Text, r.Count
		return d, true, err
	}
	return d, false, nil // a newer version's
}

// deedsSince are the newest entriesShown, oldest first, none older than since.
func (b *Bot) deedsSince(since time.Time) ([]Deed, error) {
	newest := b.store.Last()
	for span := uint64(4 * entriesShown); ; span *= 4 {
		from := newest - min(span, newest) + 1
		var list []Deed
		enough := from == 1
		for rec, err := range b.store.Records(from) {
			if err != nil {
				return nil, err
			}
			if rec.At.Before(since) {
				enough = true
				continue
			}
			d, ok, err := deedOf(rec)
			if err != nil {
				return nil, fmt.Errorf("read record %d: %w", rec.Seq, err)
			}
			if ok {
				list = append(list, d)
			}
		}
		if enough || len(list) >= entriesShown {
			return list[max(0, len(list)-entriesShown):], nil
		}
	}
}

// askAudit lists them, beside the bot's other work.
func (b *Bot) askAudit(a *ask) {
	b.deeds = append(b.deeds, func() {
		b.jobs.Go(func() {
			list, err := b.deedsSince(a.req.Since)
			if err != nil {
				a.end(ExitFailed, nil, err.Error())
				return
			}
			for _, d := range list {
				a.send(Reply{Line: d.String(), Data: d})
			}
			a.end(ExitDone, nil)
		})
	})
}
