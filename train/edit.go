package train

import (
	"slices"
	"strings"
)

// edited takes over a topic that a person set. It is a three-way merge between
// base, which the person had before them; want, what they wrote; and the queue as it is:
//
//   - a seat that a topic which may have been base did not show (its command crossed the
//     edit, or it was hidden behind "… +7") is not removed by hand: it stays, behind what was written;
//   - a name that base showed and the queue has no more left by a word that crossed the edit: it stays away;
//   - a text or a mark that is as in base was not touched: the queue's own stays;
//   - a started train keeps its driver, riders, stage, marks and place;
//   - everything else is as the person wrote it.
func (t *turn) edited(e Edited) error {
	want := t.read(e.Text, e.Known)
	m := merge{turn: t, want: want, people: e.Here, clear: saysClear(e.Text, want)}
	for _, text := range t.before(e.Away) {
		m.bases = append(m.bases, t.read(text, e.Known))
	}
	m.base = t.closest(m.bases, want)
	m.hours()
	t.see(e.Text, t.by.Nick)
	if !m.clear && len(want.Trains) == 0 {
		if _, only := cutOffHours(want.Banner); len(t.Queue.Trains) > 0 && !(only && len(m.whys) > 0) { // nothing in it is a train: the texts are taken, the queue stays
			t.emit(Unread{By: t.by.Nick, Texts: []string{strings.TrimSpace(printable(e.Text))}, Kept: true})
		}
		m.keepHolds()
		m.texts()
		m.tellWhy()
		return nil
	}
	before, old := everybody(t.Queue), t.Queue.Trains
	if unread := newTexts(m.base, want); len(unread) > 0 {
		t.emit(Unread{By: t.by.Nick, Texts: unread})
	}
	m.trains()
	m.texts()
	t.renumber()
	t.handAdded()
	t.tellAdded(old)
	m.tellWhy()
	after := everybody(t.Queue)
	t.emit(Adopted{By: t.by.Nick, Added: t.without(after, before), Removed: t.without(before, after)})
	return nil
}

// handAdded gives codes to those whom the hand put there just now, and who are here.
func (t *turn) handAdded() {
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			if r := &t.Queue.Trains[i].Riders[j]; r.Hand != "" && r.Who != (Who{}) && r.Joined.Equal(t.at) && r.Code.N == 0 {
				t.hand(t.Queue.Trains[i].ID, r)
			}
		}
	}
}

// tellAdded tells the riders of trains that are up already, when a hand put somebody aboard.
func (t *turn) tellAdded(old []Train) {
	for i, tr := range t.Queue.Trains {
		k := slices.IndexFunc(old, func(o Train) bool { return o.ID == tr.ID })
		if k < 0 || tr.Up.IsZero() || !t.IsHead(i) {
			continue
		}
		if fresh := t.without(nicks(tr), nicks(old[k])); len(fresh) > 0 {
			t.emit(Up{Train: tr.ID, Riders: seats(tr), Fresh: fresh, Stacks: t.Stacks(tr), Held: t.heldFor(tr), Again: true})
		}
	}
}

// merge is one hand edit being taken over.
type merge struct {
	*turn
	bases      []Queue // the topics that the person may have had before them
	base, want Queue   // base is one of bases
	clear      bool    // the person emptied the topic
	people     []Who   // in the channel
	ids        []int   // for each train of want the index of the one that it is in the queue, -1 = new
	whys       []string
}

func (m *merge) why(text string) {
	if !slices.Contains(m.whys, text) {
		m.whys = append(m.whys, text)
	}
}

func (m *merge) tellWhy() {
	if len(m.whys) > 0 {
		m.emit(PutBack{By: m.turn.by.Nick, Whys: m.whys})
	}
}

// seatAt names one seat of the queue as it was.
type seatAt struct{ train, seat int }

// trains builds the trains anew: those of the edit, filled with what is known of
// the names that stay, then what the edit could not remove.
func (m *merge) trains() {
	old := m.Queue.Trains
	used := map[seatAt]bool{}
	m.ids = m.identities(old)
	var out []Train
	for i, w := range m.want.Trains {
		k := m.ids[i]
		nt := Train{Before: w.Before, Stage: w.Stage, Message: w.Message}
		if k >= 0 {
			nt = m.keep(old[k], w)
		}
		for _, r := range w.Riders {
			m.place(&nt, r, k, old, used)
		}
		if len(nt.Riders) > 0 {
			out = append(out, nt)
		}
	}
	out = m.returned(out, old, used)
	out = m.started(out, old)
	m.Queue.Trains = out
}

// identities finds for each written train the one of old that it is, the most alike
// first; -1 = it is a new one.
func (m *merge) identities(old []Train) []int {
	type pair struct{ w, o, n int }
	var pairs []pair
	for i, w := range m.want.Trains {
		for k, o := range old {
			if n := m.alike(w, o); n > 0 {
				pairs = append(pairs, pair{i, k, n})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return b.n - a.n })
	ids := slices.Repeat([]int{-1}, len(m.want.Trains))
	for _, p := range pairs {
		if ids[p.w] < 0 && !slices.Contains(ids, p.o) {
			ids[p.w] = p.o
		}
	}
	return ids
}

// alike counts the riders that w and o have in common; the same driver decides between equals.
func (m *merge) alike(w, o Train) int {
	n := 0
	for j, r := range w.Riders {
		if i := m.named(o, r.Nick); i >= 0 {
			n += 2
			if j == 0 && i == 0 {
				n++
			}
		}
	}
	return n
}

// keep is an old train as the edit changes it: texts and, while it waits, its marker.
func (m *merge) keep(o, w Train) Train {
	b := m.shownAs(o)
	nt := o
	nt.Riders = nil
	nt.Before = merge3s(b.Before, w.Before, o.Before)
	nt.Message = merge3(b.Message, w.Message, o.Message)
	nt.Stage = merge3(b.Stage, w.Stage, o.Stage)
	if o.Started() && nt.Stage != o.Stage {
		nt.Stage = o.Stage
		m.why("the stage of a started train moves by its rollout or by .at")
	}
	return nt
}

// shownAs is the train of base that stands for o; the zero Train when base did not show it.
func (m *merge) shownAs(o Train) Train {
	var best Train
	most := 0
	for _, b := range m.base.Trains {
		if n := m.alike(o, b); n > most {
			best, most = b, n
		}
	}
	return best
}

// place puts the rider r of the edit into nt, whose identity is old[k] (k < 0: a new train).
func (m *merge) place(nt *Train, r Rider, k int, old []Train, used map[seatAt]bool) {
	if m.named(*nt, r.Nick) >= 0 {
		return // written twice in one train
	}
	at, found := m.match(r.Nick, k, old, used)
	if !found {
		if m.ridesIn(m.base.Trains, r.Nick) > 0 && m.ridesIn(old, r.Nick) == 0 {
			return // left while the person typed
		}
		r.Joined, r.Hand, r.Who = m.at, m.turn.by.Nick, m.present(r.Nick)
		nt.Riders = append(nt.Riders, r)
		return
	}
	used[at] = true
	o := old[at.train]
	seat := o.Riders[at.seat]
	if o.Started() && at.train != k {
		return // nobody leaves a started train by an edit: started puts the seat back
	}
	b := m.shownSeat(o, seat.Nick)
	if r.Mark != b.Mark {
		seat.Mark = r.Mark
	}
	if o.Started() {
		seat.Mark = o.Riders[at.seat].Mark
		if r.Mark != b.Mark {
			m.why("a mark in a started train is its rider's own: .good, .uhoh")
		}
	}
	if r.Stack != b.Stack && !o.Started() {
		seat.Stack = r.Stack
	}
	seat.AskMe, seat.Hold, seat.Words = merge3(b.AskMe, r.AskMe, seat.AskMe), merge3(b.Hold, r.Hold, seat.Hold), merge3s(b.Words, r.Words, seat.Words)
	nt.Riders = append(nt.Riders, seat)
}

// present is who has nick in the channel: the one whom the hand means. The zero Who when nobody has.
func (m *merge) present(nick string) Who {
	for _, w := range m.people {
		if m.Casemap.Same(w.Nick, nick) {
			return w.identity()
		}
	}
	return Who{}
}

// match finds the seat of old that a written name means: in the train's own
// identity first, then the first free one elsewhere.
func (m *merge) match(nick string, k int, old []Train, used map[seatAt]bool) (seatAt, bool) {
	if k >= 0 {
		if j := m.named(old[k], nick); j >= 0 && !used[seatAt{k, j}] {
			return seatAt{k, j}, true
		}
	}
	for pass := range 2 { // a waiting seat before one that a started train keeps anyway
		for i, o := range old {
			if o.Started() != (pass == 1) {
				continue
			}
			if j := m.named(o, nick); j >= 0 && !used[seatAt{i, j}] && !m.written(i, nick) {
				return seatAt{i, j}, true
			}
		}
	}
	return seatAt{}, false
}

// written reports whether the edit names nick in the very train old[k]: then that seat is for it.
func (m *merge) written(k int, nick string) bool {
	i := slices.Index(m.ids, k)
	return i >= 0 && m.named(m.want.Trains[i], nick) >= 0
}

// returned adds the seats that the edit could not remove: those that not every one
// of bases showed. A topic that was emptied takes the ones behind "… +7" with it.
func (m *merge) returned(out, old []Train, used map[seatAt]bool) []Train {
	hidden := 0 // seats that go with an emptied topic
	if m.clear {
		for i, b := range m.bases {
			if i == 0 || b.More < hidden {
				hidden = b.More
			}
		}
	}
	for k, o := range old {
		if o.Started() {
			continue
		}
		var stay []Rider
		for j, r := range o.Riders {
			if used[seatAt{k, j}] || m.allShow(r.Nick, m.ridesIn(old[:k+1], r.Nick)) {
				continue
			}
			if hidden > 0 {
				hidden--
				continue
			}
			stay = append(stay, r)
		}
		if len(stay) == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(t Train) bool { return t.ID == o.ID })
		if i < 0 {
			o.Riders = nil
			out = append(out, o)
			i = len(out) - 1
		}
		for _, r := range stay {
			if m.named(out[i], r.Nick) < 0 {
				out[i].Riders = append(out[i].Riders, r)
			}
		}
	}
	return out
}

// started puts the started trains back as the journal has them: same riders in
// the same order, what the edit appended behind them, and in front of the waiting
// trains of their lanes.
func (m *merge) started(out, old []Train) []Train {
	for k, o := range old {
		if !o.Started() {
			continue
		}
		i := slices.IndexFunc(out, func(t Train) bool { return t.ID == o.ID })
		if i < 0 {
			out = slices.Insert(out, min(k, len(out)), o)
			m.why("a started train (" + joinNicks(o) + ") can't be removed by hand: .done ends it")
			continue
		}
		nt := out[i]
		kept := slices.Clone(o.Riders)
		for _, r := range nt.Riders {
			j := m.named(o, r.Nick)
			if j < 0 {
				if r.Mark != None {
					r.Mark = None
					m.why("a mark in a started train is its rider's own: .good, .uhoh")
				}
				kept = append(kept, r)
				continue
			}
			kept[j] = r
		}
		if len(nt.Riders) < len(o.Riders) {
			m.why("nobody leaves a started train by hand: .leave or .kick")
		} else if !m.Casemap.Same(nt.Riders[0].Nick, o.Riders[0].Nick) {
			m.why("the wheel of a started train changes by .drive")
		}
		nt.Riders = kept
		out[i] = nt
	}
	out, moved := m.startedFirst(out)
	for _, t := range moved {
		m.why("nobody gets in front of a started train (" + joinNicks(t) + ")")
	}
	return out
}

// hours takes the word of the hours out of the merge, and says so to who has set or removed it.
func (m *merge) hours() {
	if m.Rules.Hours == "" {
		return // it is a text like others
	}
	had := 0
	for _, b := range m.bases {
		if _, found := cutOffHours(b.Banner); found {
			had++
		}
	}
	has := false
	m.base.Banner, _ = cutOffHours(m.base.Banner)
	m.want.Banner, has = cutOffHours(m.want.Banner)
	switch {
	case m.clear:
	case m.Hours.Closed && !has && had == len(m.bases):
		m.why(m.Shut() + "; the banner goes then")
	case !m.Hours.Closed && has && had == 0:
		m.why(offHours + " comes and goes with the hours: .hold stops the line")
	}
}

// texts takes over what the person wrote around the trains, and the holds.
func (m *merge) texts() {
	q := &m.Queue
	q.Banner = merge3(m.base.Banner, m.want.Banner, q.Banner)
	q.Message = merge3(m.base.Message, m.want.Message, q.Message)
	q.Rest = merge3s(m.base.Rest, m.want.Rest, q.Rest)
	var holds []Hold
	for _, w := range m.want.Holds {
		i := slices.IndexFunc(q.Holds, func(h Hold) bool { return h.Stack == w.Stack })
		if slices.ContainsFunc(holds, func(h Hold) bool { return h.Stack == w.Stack }) {
			continue
		}
		if i < 0 {
			h := Hold{Stack: w.Stack, Why: w.Why, By: m.turn.by.Nick, Since: m.at}
			holds = append(holds, h)
			m.emit(Held{Hold: h})
			continue
		}
		h := q.Holds[i]
		h.Why = w.Why
		holds = append(holds, h)
	}
	for _, h := range q.Holds {
		gone := !slices.ContainsFunc(m.want.Holds, func(w Hold) bool { return w.Stack == h.Stack })
		shown := slices.ContainsFunc(m.base.Holds, func(b Hold) bool { return b.Stack == h.Stack })
		switch {
		case gone && shown && m.mayLift(h):
			m.emit(Lifted{Hold: h, By: m.turn.by.Nick})
		case gone:
			holds = append(holds, h)
			if shown {
				m.why(whoLifts(h))
			}
		}
	}
	q.Holds = holds
}

// keepHolds has every hold that stands be as good as written: a topic that says nothing of trains lifts none.
func (m *merge) keepHolds() {
	for _, h := range m.Queue.Holds {
		if !slices.ContainsFunc(m.want.Holds, func(w Hold) bool { return w.Stack == h.Stack }) {
			m.want.Holds = append(m.want.Holds, h)
		}
	}
}

// shownSeat is how base showed nick in the train o; the zero Rider when it did not.
func (m *merge) shownSeat(o Train, nick string) Rider {
	b := m.shownAs(o)
	if j := m.named(b, nick); j >= 0 {
		return b.Riders[j]
	}
	for _, b := range m.base.Trains {
		if j := m.named(b, nick); j >= 0 && m.ridesIn(m.Queue.Trains, nick) == 1 {
			return b.Riders[j]
		}
	}
	return Rider{}
}

// ridesIn counts the trains that nick rides in.
func (t *turn) ridesIn(trains []Train, nick string) int {
	n := 0
	for _, tr := range trains {
		if t.named(tr, nick) >= 0 {
			n++
		}
	}
	return n
}

// allShow reports whether the person saw n seats of nick, whichever of bases was before them.
func (m *merge) allShow(nick string, n int) bool {
	return !slices.ContainsFunc(m.bases, func(b Queue) bool { return m.ridesIn(b.Trains, nick) < n })
}

// without returns the names of a that are not in b.
func (t *turn) without(a, b []string) []string {
	var out []string
	for _, n := range a {
		if !slices.ContainsFunc(b, func(o string) bool { return t.Casemap.Same(o, n) }) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// merge3 is want where the person changed it, have where not.
func merge3[T comparable](base, want, have T) T {
	if want == base {
		return have
	}
	return want
}

func merge3s(base, want, have []string) []string {
	if slices.Equal(want, base) {
		return have
	}
	return want
}

func shareStack(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// saysClear reports whether the person emptied the topic or wrote "clear", with or without a message behind it.
func saysClear(text string, q Queue) bool {
	if len(q.Trains)+len(q.Rest) > 0 {
		return false
	}
	for _, segment := range (Notation{}).split(printable(text)) {
		said, _, _ := strings.Cut(segment, "!!")
		if strings.EqualFold(strings.TrimSpace(said), "clear") {
			return true
		}
	}
	return strings.TrimSpace(text) == ""
}

func everybody(q Queue) []string {
	var out []string
	for _, t := range q.Trains {
		out = append(out, nicks(t)...)
	}
	return out
}

// texts are all free texts of q that stand where trains do.
func texts(q Queue) []string {
	var out []string
	if q.Banner != "" {
		out = append(out, q.Banner)
	}
	for _, t := range q.Trains {
		out = append(out, t.Before...)
	}
	return append(out, q.Rest...)
}

// newTexts are those that base did not have; a banner is no surprise.
func newTexts(base, want Queue) []string {
	want.Banner = ""
	old := texts(base)
	return slices.DeleteFunc(texts(want), func(s string) bool { return slices.Contains(old, s) })
}
