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

// savedTally is what stands under snapshotTally.
type savedTally struct {
	Seq   uint64 // the last record in it
	Tally json.RawMessage
}

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
		if b.unsaved++; rec.Kind != kindTrain {
			continue
		}
		effects, err := decodeFacts(rec.Facts, train.Counts)
		if err != nil {
			return fmt.Errorf("read record %d: %w", rec.Seq, err)
		}
		for _, e := range effects {
			b.tally.Add(rec.At, e, b.isLast)
		}
	}
	return nil
}

// restoreTally takes up what was saved, and returns the record to go on from; 0 = nothing was.
func (b *Bot) restoreTally() (from uint64, err error) {
	var s savedTally
	if err := b.snapshot(snapshotTally, &s); err != nil || s.Tally == nil {
		return 0, err
	}
	ok, err := b.tally.Restore(s.Tally, func(place int) ([]byte, error) { return b.store.Snapshot(tallyDay(place)) })
	if err != nil {
		return 0, fmt.Errorf("read snapshot %s: %w", snapshotTally, err)
	}
	if !ok || s.Seq > b.store.Last() {
		b.tally = train.Tally{}
		return 0, nil
	}
	return s.Seq + 1, nil
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
	if to[snapshotTally], err = json.Marshal(savedTally{b.store.Last() + uint64(len(b.recs)), head}); err != nil {
		return err
	}
	for place, body := range days {
		to[tallyDay(place)] = body
	}
	b.unsaved = 0
	return nil
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
