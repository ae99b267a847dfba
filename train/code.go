package train

import "time"

// codeLife is how long a code may be used.
const codeLife = 72 * time.Hour

// Code is the one-time code of a seat, as far as the state knows it: what it is
// made of, never its text. Where no account proves a person, who comes back with a
// rider's nick and user@host may be anybody; only who took the seat has its code.
type Code struct {
	N     int       // unique for the life of the journal
	Train int       // whose rollout it starts
	For   Who       // who was handed it
	Until time.Time // it is void from then on
	Sure  bool      `json:",omitempty"` // the server has given it to who sat there
	Lost  bool      `json:",omitempty"` // it may have gone to somebody else: it is void
}

// Coded reports whether a rollout, or the wheel, needs a code.
func (s State) Coded() bool { return s.Rules.Code && s.Identity() != "account" }

// hand gives the one in seat r of train id a new code, and voids the old one.
func (t *turn) hand(id int, r *Rider) {
	if !t.Coded() {
		return
	}
	t.Codes++
	r.Code = Code{N: t.Codes, Train: id, For: r.Who, Until: t.at.Add(codeLife)}
	t.emit(Coded{Nick: r.Who.Nick, Code: r.Code})
}

// coded is the seat that has code n now; nil when none has.
func (t *turn) coded(n int) (train int, r *Rider) {
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			if r := &t.Queue.Trains[i].Riders[j]; n != 0 && r.Code.N == n {
				return t.Queue.Trains[i].ID, r
			}
		}
	}
	return 0, nil
}

// handed notes that a code has reached its seat.
func (t *turn) handed(e Handed) {
	if _, r := t.coded(e.N); r != nil && !r.Code.Lost {
		r.Code.Sure = true
	}
}

// codeOf is the number of the code that By said with e; 0 = none.
func codeOf(e Event) int {
	switch e := e.(type) {
	case Step:
		return e.Code
	case Confirm:
		return e.Code
	case Drive:
		return e.Code
	case Voided:
		return e.N
	}
	return 0
}

// reclaim gives By the seat whose good code they said: only who took it has it, and
// whoever sits there under their nick is somebody else.
func (t *turn) reclaim(n int) {
	id, r := t.coded(n)
	if r == nil || !t.Coded() || !t.good(r.Code) || t.is(*r, t.by) {
		return
	}
	tr := t.Queue.Trains[t.find(id)]
	if k := t.named(tr, t.by.Nick); t.seat(tr, t.by) < 0 && (k < 0 || &tr.Riders[k] == r) {
		t.rename(r, t.by.Nick)
		r.Who, r.Gone = t.by.identity(), false
	}
}

// voided replaces a code that was said for nothing: now everybody has read it. Only
// who sits there, and had a good one, gets another.
func (t *turn) voided(e Voided) {
	switch id, r := t.coded(e.N); {
	case r == nil:
	case t.is(*r, t.by) && t.good(r.Code):
		t.hand(id, r)
	default:
		r.Code.Lost, r.Code.Sure = true, false
	}
}

// good reports whether a code may still be used.
func (t *turn) good(c Code) bool { return c.N != 0 && !c.Lost && t.at.Before(c.Until) }

// unproven refuses By, who sits in r and has said code n, 0 for none. how is the command with it.
func (t *turn) unproven(r Rider, n int, how string) error {
	switch {
	case !t.Coded() || t.by.Web != "": // the page has asked for their password
		return nil
	case !t.good(r.Code):
		return refuse("no code", "the code of your seat is void: it has expired, or you left before it had reached you. `.leave` and `.join` give you another one, or let another rider take the wheel")
	case r.Code.N != n:
		return refuse("code", "say `%s CODE`, with the code that I sent you alone: here a nick proves nobody", how)
	}
	return nil
}
