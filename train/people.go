package train

import (
	"cmp"
	"slices"
	"time"
)

// Identity is what proves who a person is: the rules' word, and for auto the
// account where the server tells accounts, else nick and user@host.
func (s State) Identity() string {
	switch {
	case s.Rules.Identity == "account", s.Rules.Identity == "hostmask", s.Rules.Identity == "nick":
		return s.Rules.Identity
	case s.Accounts:
		return "account"
	}
	return "hostmask"
}

// is reports whether by is the person in seat r. A seat that nobody has claimed
// yet (a hand wrote the name) is by that name; a bound one is by the identity that was
// bound, as followed through nick changes, until that person leaves the channel.
func (s State) is(r Rider, by Who) bool {
	switch {
	case by.Nick == "":
		return false
	case r.Who == (Who{}):
		return s.claims(r, by)
	}
	return s.here(r, by.Nick) && s.unchanged(r.Who, by)
}

// here reports whether the one who is called nick now is who seat r was bound to,
// in the same stay in the channel. The server has each nick once, and tells of
// everybody who changes theirs or leaves.
func (s State) here(r Rider, nick string) bool {
	return r.Who != (Who{}) && !r.Gone && s.Casemap.Same(r.Who.Nick, nick)
}

// unchanged reports whether by, who was never away, is still known as they were
// bound: not logged out, not logged in to another account.
func (s State) unchanged(bound, by Who) bool {
	return bound.Account == "" && s.Identity() == "account" || s.sameIdentity(bound, by)
}

// sameIdentity reports whether by is the bound person as far as identity proves
// it, beside the nick. It is all that is known of who was away meanwhile. Who has no
// account is nobody where only accounts prove a person.
func (s State) sameIdentity(bound, by Who) bool {
	byAccount := s.sameAccount(bound, by)
	switch s.Identity() {
	case "nick":
		return true
	case "account":
		return byAccount
	}
	if bound.Account != "" && s.Rules.Identity != "hostmask" {
		return byAccount // auto, on a server that told accounts once
	}
	return bound.User == by.User && bound.Host == by.Host
}

// sameAccount reports whether both are logged in, to one account.
func (s State) sameAccount(a, b Who) bool {
	return a.Account != "" && s.Casemap.Same(a.Account, b.Account)
}

// bind claims for the person who speaks the seats that a hand gave to their nick,
// gives a rider who has come back their own seats again (by the same account
// under any nick, or by the same nick and user@host), and notes the account of one
// who has logged in since.
func (t *turn) bind(e Event) {
	if t.by.Nick == "" {
		return
	}
	t.reclaim(codeOf(e))
	spoke := true
	switch e := e.(type) {
	case Renamed, Identified, Parted:
		spoke = false
	case Heard:
		spoke = e.Spoke
	}
	for i := range t.Queue.Trains {
		tr := &t.Queue.Trains[i]
		for j := range tr.Riders {
			r := &tr.Riders[j]
			back := t.returns(*r, t.by)
			login := r.Who.Account == "" && t.by.Account != "" && t.here(*r, t.by.Nick) && t.is(*r, t.by)
			if !back && !login && !(spoke && t.claims(*r, t.by)) {
				continue
			}
			claim := r.Who == (Who{})
			r.Who, r.Gone = t.by.identity(), false
			if claim {
				t.hand(tr.ID, r)
			}
			if back && !t.Casemap.Same(r.Nick, t.by.Nick) && t.named(*tr, t.by.Nick) < 0 {
				t.rename(r, t.by.Nick)
			}
		}
	}
}

// claims reports whether by may have the seat r, which a hand wrote for their
// nick when nobody had it. The shell is in no channel. Where accounts prove a person it is for the account of that name.
func (s State) claims(r Rider, by Who) bool {
	return r.Who == (Who{}) && !by.Shell && s.Casemap.Same(r.Nick, by.Nick) && (s.Identity() != "account" || s.Casemap.Same(r.Nick, by.Account))
}

// identity is by without what may change from word to word.
func (w Who) identity() Who { w.Op, w.Web, w.Shell = false, "", false; return w }

// renamed follows a nick change. A seat keeps its old name when another one in the
// train has the new one, or that has signs that nobody sees.
func (t *turn) renamed(e Renamed) {
	for i := range t.Queue.Trains {
		tr := &t.Queue.Trains[i]
		for j := range tr.Riders {
			r := &tr.Riders[j]
			if !t.sits(*r, t.by) {
				continue
			}
			if k := t.named(*tr, e.To); (k < 0 || k == j) && Visible(e.To) == e.To {
				t.rename(r, e.To)
			}
			if r.Who != (Who{}) {
				r.Who.Nick = e.To
			}
			if r.Code.N != 0 && !r.Code.Sure && !r.Code.Lost { // it may go to whoever takes the old nick
				t.hand(tr.ID, r)
			}
		}
	}
}

// identified follows a person whose host, user or account changed while they were
// in the channel. A bound account stays: who logs in to another one is another person.
func (t *turn) identified(e Identified) {
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			r := &t.Queue.Trains[i].Riders[j]
			if !t.here(*r, t.by.Nick) {
				continue
			}
			r.Who.User, r.Who.Host = e.As.User, e.As.Host
			r.Who.Account = cmp.Or(r.Who.Account, e.As.Account)
		}
	}
}

// parted unbinds: whoever takes the freed nick is nobody.
func (t *turn) parted() {
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			if r := &t.Queue.Trains[i].Riders[j]; t.here(*r, t.by.Nick) {
				r.Gone, r.Code.Lost = true, r.Code.N != 0 && !r.Code.Sure
			}
		}
	}
}

// online compares the seats with who is in the channel after the bot was away.
func (t *turn) online(e Online) {
	t.Casemap, t.Limit, t.Accounts = e.Casemap, e.Limit, e.Accounts
	if e.Still {
		return
	}
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			r := &t.Queue.Trains[i].Riders[j]
			if r.Who == (Who{}) {
				continue
			}
			r.Gone = !slices.ContainsFunc(e.Riders, func(w Who) bool {
				return t.Casemap.Same(r.Who.Nick, w.Nick) && t.sameIdentity(r.Who, w)
			})
			r.Code.Lost = r.Code.N != 0 && !r.Code.Sure
		}
	}
}

// quietMax is how many want no pings; of more, those who said so last.
const quietMax = 1000

// quiet notes whether By wants no pings.
func (t *turn) quiet(e Quiet) error {
	nick := t.Casemap.Fold(t.by.Nick)
	i := slices.Index(t.Quiet, nick)
	switch {
	case e.On && i >= 0:
		return refuse("same", "you are not pinged already: .quiet off changes that")
	case e.On:
		t.Quiet = append(t.Quiet[max(0, len(t.Quiet)-quietMax+1):], nick)
	case i < 0:
		return refuse("same", "you are pinged already: .quiet on changes that")
	default:
		t.Quiet = slices.Delete(t.Quiet, i, i+1)
	}
	t.emit(Hushed{Nick: t.by.Nick, On: e.On})
	return nil
}

// drive passes the wheel.
func (t *turn) drive(e Drive) error {
	if e.To != "" {
		return t.handOver(e)
	}
	i, err := t.pick("", "ride in", func(tr Train) bool { return t.seat(tr, t.by) > 0 })
	if err != nil {
		if k := slices.IndexFunc(t.Queue.Trains, func(tr Train) bool { return t.seat(tr, t.by) == 0 }); k >= 0 {
			return refuse("drives already", "you drive already; `.drive NICK` hands the wheel over")
		}
		return err
	}
	tr := &t.Queue.Trains[i]
	d := tr.Driver()
	if tr.Runs != "" {
		return refuse("rollout runs", "the rollout of %s runs; the wheel can be taken when it has ended", tr.Runs)
	}
	because, quiet := "", t.at.Sub(lastHeard(*tr, e.Spoke[t.Casemap.Fold(d.Nick)]))
	switch {
	case d.Gone:
		because = d.Nick + " has left the channel"
	case quiet >= t.idle():
		because = d.Nick + " has been silent for " + short(quiet)
	case t.by.Op && t.Coded():
		return refuse("no account", "an op is known by nick alone here, and %s drives and was heard %s ago", d.Nick, short(quiet))
	case t.by.Op:
		because = "taken as an op"
		t.overrule(".drive")
	default:
		return refuse("driver is here", "%s drives and was heard %s ago: ask for `.drive %s`, or wait until %s of silence", d.Nick, short(quiet), t.by.Nick, short(t.idle()))
	}
	t.take(tr, t.seat(*tr, t.by), because)
	return nil
}

func (t *turn) handOver(e Drive) error {
	i, err := t.pick("", "drive", func(tr Train) bool {
		return t.seat(tr, t.by) == 0 || t.by.Op && t.named(tr, e.To) >= 0
	})
	if err != nil {
		return err
	}
	tr := &t.Queue.Trains[i]
	j := t.named(*tr, e.To)
	switch {
	case j < 0:
		return refuse("not aboard", "%s does not ride in your train (%s): only a rider can drive it", e.To, joinNicks(*tr))
	case j == 0:
		return refuse("drives already", "%s drives already", tr.Riders[0].Nick)
	case tr.Riders[j].Gone:
		return refuse("gone", "%s has left the channel: hand the wheel to somebody who is here, or .done", tr.Riders[j].Nick)
	case tr.Runs != "":
		return refuse("rollout runs", "the rollout of %s runs; the wheel can be handed over when it has ended", tr.Runs)
	}
	because := ""
	switch {
	case t.seat(*tr, t.by) == 0:
		if err := t.unproven(tr.Driver(), e.Code, ".drive "+e.To); err != nil {
			return err
		}
	case t.Coded():
		return refuse("no account", "an op is known by nick alone here: another rider's `.drive` frees the wheel when the driver has left or is silent")
	default:
		because = "an op said so"
		t.overrule(".drive")
	}
	if e.Code != 0 {
		t.hand(tr.ID, &tr.Riders[0])
	}
	t.take(tr, j, because)
	return nil
}

// heard takes note that a driver said something: they are there.
func (t *turn) heard(e Heard) {
	if !e.Spoke {
		return
	}
	for i := range t.Queue.Trains {
		if tr := &t.Queue.Trains[i]; t.idles(*tr, t.by, t.at) {
			tr.Since, tr.Nudge = t.at, 0
		}
	}
}

// idles reports whether tr waits for its driver, who is by, and has done so for more than a minute.
func (s State) idles(tr Train, by Who, at time.Time) bool {
	return !tr.Up.IsZero() && tr.Runs == "" && s.seat(tr, by) == 0 && at.Sub(tr.Since) > time.Minute
}

func (t *turn) take(tr *Train, j int, because string) {
	was, r := tr.Driver().Nick, tr.Riders[j]
	tr.Riders = slices.Insert(slices.Delete(tr.Riders, j, j+1), 0, r)
	tr.moved(t.at)
	t.emit(Wheel{Train: tr.ID, Driver: r.Nick, Was: was, Because: because})
}

// lastHeard is when a train's driver last did anything that counts.
func lastHeard(tr Train, spoke time.Time) time.Time {
	if tr.Since.After(spoke) {
		return tr.Since
	}
	if spoke.IsZero() {
		return tr.Driver().Joined
	}
	return spoke
}

func (t *turn) idle() time.Duration {
	if t.Rules.Idle == 0 {
		return 15 * time.Minute
	}
	return t.Rules.Idle
}

// Due is when Tick has something to say, the zero time when never.
func (s State) Due() time.Time {
	var due time.Time
	t := turn{State: s}
	for i := range s.Queue.Trains {
		if at := t.nudgeAt(i); !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// nudgeAt is when a reminder of train i is due, the zero time when none is. Each
// leaves a third of the idle time for an answer, after a time without a bot too.
func (t *turn) nudgeAt(i int) time.Time {
	tr := t.Queue.Trains[i]
	switch {
	case tr.Up.IsZero(), tr.Runs != "", tr.Nudge >= 3, !t.IsHead(i), t.heldFor(tr) != "":
		return time.Time{}
	case tr.Nudge > 0:
		return tr.Asked.Add(t.idle() / 3)
	}
	return tr.Since.Add(t.idle() / 3)
}

// tick reminds those on whom a train waits after a third of the idle time, the others
// after two, and offers the wheel after three. Nobody is reminded twice before it has moved.
func (t *turn) tick() {
	for i := range t.Queue.Trains {
		if at := t.nudgeAt(i); at.IsZero() || t.at.Before(at) {
			continue
		}
		tr := &t.Queue.Trains[i]
		tr.Nudge++
		tr.Asked = t.at
		n := Nudge{Train: tr.ID, Step: tr.Nudge, Driver: tr.Driver().Nick, Riders: nicks(*tr)[1:], Quiet: t.at.Sub(tr.Since), Votes: t.missing(*tr)}
		whom := [][]string{{n.Driver}, n.Riders, nil}
		if len(n.Votes) > 0 {
			whom = [][]string{n.Votes, {n.Driver}, nil}
		}
		n.Pings = t.without(whom[tr.Nudge-1], tr.Pings)
		tr.Pings = append(tr.Pings, n.Pings...)
		t.emit(n)
	}
}

// missing are the riders whose vote tr waits for: where it has come to a stage, and
// the next step needs all of them.
func (s State) missing(tr Train) []string {
	var out []string
	for _, r := range tr.Riders[1:] {
		if r.Mark == None && tr.Stage != "" && s.Next(tr) != "" {
			out = append(out, r.Nick)
		}
	}
	return out
}

// Sits reports whether a seat is that of the one who is called as by is now: then
// their nick changes, their leaving and what else happens to them matter.
func (s State) Sits(by Who) bool {
	return slices.ContainsFunc(s.Queue.Trains, func(t Train) bool {
		return slices.ContainsFunc(t.Riders, func(r Rider) bool { return s.sits(r, by) })
	})
}

func (s State) sits(r Rider, by Who) bool { return s.here(r, by.Nick) || s.claims(r, by) }

// Rides reports whether a seat is by's.
func (s State) Rides(by Who) bool {
	return slices.ContainsFunc(s.Queue.Trains, func(t Train) bool { return s.seat(t, by) >= 0 })
}

// Wakes reports whether Heard from by, who spoke, would put off a reminder.
func (s State) Wakes(by Who, at time.Time) bool {
	return slices.ContainsFunc(s.Queue.Trains, func(tr Train) bool { return s.idles(tr, by, at) })
}

// Claims reports whether Heard from by would bind a seat: one that they left, or,
// when they spoke, one that a hand wrote for their nick.
func (s State) Claims(by Who, spoke bool) bool {
	for _, t := range s.Queue.Trains {
		for _, r := range t.Riders {
			if s.returns(r, by) || spoke && s.claims(r, by) {
				return true
			}
		}
	}
	return false
}

// returns reports whether by is the person who left seat r.
func (s State) returns(r Rider, by Who) bool {
	return r.Gone && s.sameIdentity(r.Who, by) &&
		(s.Casemap.Same(r.Who.Nick, by.Nick) || s.sameAccount(r.Who, by))
}
