package bot

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"pushtrain/deploy"
	"pushtrain/train"
)

// The tally is a fold over the whole journal. So that a start need not read all of
// it, it is saved beside the journal every so often: as the snapshot "tally", and a
// day each as "tally-N".
const (
	snapshotTally = "tally"
	tallyEvery    = 1000                // records between two savings: a start reads as many again
	tallySpan     = 92 * 24 * time.Hour // what a journal is folded from where no tally was saved
)

// savedTally is what stands under snapshotTally. The deploy log is saved with it, in
// pieces: "log-N" holds its entries from N × logPiece on.
type savedTally struct {
	Seq   uint64 // the last record in it
	Tally json.RawMessage
	First int // the oldest entry of the deploy log at hand, counted from the very first
	Log   int // entries there ever were
}

// logPiece is how many entries of the deploy log are saved together.
const logPiece = 500

func logSnapshot(piece int) string { return "log-" + strconv.Itoa(piece) }

func tallyDay(place int) string { return snapshotTally + "-" + strconv.Itoa(place) }

// loadTally takes up the tally, and folds in what was journalled since.
func (b *Bot) loadTally() error {
	from, err := b.restoreTally()
	if err != nil {
		return err
	}
	if from == 0 {
		if from, err = b.firstSince(b.now().Add(-tallySpan)); err != nil {
			return err
		}
	}
	for rec, err := range b.store.Records(from) {
		if err != nil {
			return err
		}
		b.unsaved++
		if err := b.remember(rec); err != nil {
			return err
		}
		if rec.Kind != kindTrain {
			continue
		}
		effects, err := decodeFacts(rec.Facts, counts)
		if err != nil {
			return fmt.Errorf("read record %d: %w", rec.Seq, err)
		}
		for _, e := range effects {
			b.tally.Add(rec.At, e, b.isLast)
			b.noted(rec.At, e)
		}
	}
	return nil
}

// counts reports whether effects of that name are folded in.
func counts(name string) bool { return train.Counts(name) || name == train.TypeName(train.Logged{}) }

// restoreTally takes up what was saved, and returns the record to go on from; 0 = nothing was.
func (b *Bot) restoreTally() (from uint64, err error) {
	body, err := b.store.Snapshot(snapshotTally)
	if err != nil || len(body) == 0 {
		return 0, err
	}
	var s savedTally
	if err := json.Unmarshal(body, &s); err != nil {
		return 0, fmt.Errorf("read snapshot %s: %w", snapshotTally, err)
	}
	ok, err := b.tally.Restore(s.Tally, func(place int) ([]byte, error) { return b.store.Snapshot(tallyDay(place)) })
	if err != nil {
		return 0, fmt.Errorf("read snapshot %s: %w", snapshotTally, err)
	}
	if ok && s.Seq <= b.store.Last() {
		ok, err = b.restoreLog(s)
	}
	if err != nil || !ok || s.Seq > b.store.Last() {
		b.tally, b.log = train.Tally{}, deployLog{}
		return 0, err
	}
	return s.Seq + 1, nil
}

// restoreLog takes up the deploy log; false = it was not saved.
func (b *Bot) restoreLog(s savedTally) (bool, error) {
	l := deployLog{first: s.First, saved: s.Log}
	for piece := s.First / logPiece; piece*logPiece < s.Log; piece++ {
		body, err := b.store.Snapshot(logSnapshot(piece))
		if err != nil {
			return false, err
		}
		var entries []Entry
		if len(body) == 0 || json.Unmarshal(body, &entries) != nil {
			return false, nil
		}
		entries = entries[:min(len(entries), s.Log-piece*logPiece)]
		l.entries = append(l.entries, entries[max(0, min(len(entries), s.First-piece*logPiece)):]...)
	}
	b.log = l
	return len(l.entries) == s.Log-s.First, nil
}

// saveLog adds the pieces of the deploy log that have changed to what is committed.
func (b *Bot) saveLog(to map[string][]byte) error {
	l := &b.log
	for piece := l.saved / logPiece; piece*logPiece < l.count(); piece++ {
		from, end := piece*logPiece-l.first, min((piece+1)*logPiece, l.count())-l.first
		if end <= 0 {
			continue
		}
		// What is at hand no more is saved as nothing: it keeps its place.
		entries := append(make([]Entry, max(0, -from)), l.entries[max(0, from):end]...)
		body, err := json.Marshal(entries)
		if err != nil {
			return err
		}
		to[logSnapshot(piece)] = body
	}
	l.saved = l.count()
	return nil
}

// firstSince finds the first record of at or later by halves.
func (b *Bot) firstSince(at time.Time) (uint64, error) {
	low, high := uint64(1), b.store.Last()+1
	for low < high {
		mid := (low + high) / 2
		for rec, err := range b.store.Records(mid) {
			if err != nil {
				return 0, err
			}
			if rec.At.Before(at) {
				low = mid + 1
			} else {
				high = mid
			}
			break
		}
	}
	return low, nil
}

// saveTally adds the tally to what is committed with the records at hand, when it is time to.
func (b *Bot) saveTally(to map[string][]byte) error {
	if b.unsaved < tallyEvery || b.full {
		return nil
	}
	head, days, err := b.tally.Save()
	if err != nil {
		return err
	}
	if to[snapshotTally], err = json.Marshal(savedTally{b.store.Last() + uint64(len(b.recs)), head, b.log.first, b.log.count()}); err != nil {
		return err
	}
	for place, body := range days {
		to[tallyDay(place)] = body
	}
	b.unsaved = 0
	return b.saveLog(to)
}

// note is what the stats want to know of a rollout and its state does not tell. It
// is lost when the bot ends: a rollout before its COMMIT is then aborted anyway.
type note struct {
	proven    time.Time // when every host held the proved release
	committed time.Time // when the commit was made
}

// takeNote looks at a rollout after the event e.
func (b *Bot) takeNote(r deploy.Rollout, e deploy.Event) {
	n := b.notes[r.ID]
	if e, ok := e.(deploy.Built); ok {
		n.committed = e.Committed
	}
	if n.proven.IsZero() && r.State == deploy.Verifying && allProven(r) {
		n.proven = b.now()
	}
	if n != (note{}) {
		b.notes[r.ID] = n
	}
}

func allProven(r deploy.Rollout) bool {
	for _, h := range r.Hosts {
		if h.Step != deploy.KindVerify && !h.Left() {
			return false
		}
	}
	return true
}

// spent is how the time of a rollout that has ended went.
func spent(r deploy.Rollout, proven time.Time) train.Spent {
	var s train.Spent
	between := func(from, to time.Time) time.Duration {
		if to.IsZero() {
			to = r.Ended
		}
		if from.IsZero() {
			return 0
		}
		return max(to.Sub(from), 0)
	}
	s.Build = between(r.Entered[deploy.Building], r.Entered[deploy.Fencing])
	s.Flip = between(r.Entered[deploy.Flipping], time.Time{})
	if r.Tests != deploy.NoJob {
		s.Tests = between(proven, r.Entered[deploy.Barrier])
	}
	return s
}
