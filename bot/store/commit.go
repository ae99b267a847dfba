package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
)

// ErrFull says that the disk has no room (or the quota is used up). Nothing happened.
var ErrFull = errors.New("no space left for the journal")

// Commit appends recs and replaces the snapshots that are named, in one transaction.
// When it returns nil all of it is on the disk, Records and Snapshot see it, and each
// record in recs has its Seq. With nothing to commit it does nothing.
//
// A record that can't be encoded and [ErrFull] leave everything as it was. After any
// other error nobody knows what the disk holds: the records may be there after a
// restart, or not. Then every further Commit returns that error too.
func (s *Store) Commit(recs []Record, snapshots map[string][]byte) error {
	if len(recs) == 0 && len(snapshots) == 0 {
		return nil
	}
	s.commits.Lock()
	defer s.commits.Unlock()
	if s.broken != nil {
		return s.broken
	}
	head := s.Head()
	last, link := head.Seq, head.Link
	values := make([][]byte, len(recs))
	for i, r := range recs {
		r.Seq = last + uint64(i) + 1
		var err error
		if values[i], link, err = encodeRecord(link, r); err != nil {
			return fmt.Errorf("encode record %q: %w", r.Type, err)
		}
	}
	if err := s.write(last, values, snapshots); err != nil {
		if errors.Is(err, ErrFull) {
			return err
		}
		s.broken = fmt.Errorf("journal can't be written until it is opened anew: %w", err)
		return s.broken
	}
	for i := range recs {
		recs[i].Seq = last + uint64(i) + 1
	}
	s.head.Store(&Head{last + uint64(len(recs)), link})
	return nil
}

// write commits values as the records after last, and snapshots. It returns ErrFull
// only when nothing happened.
func (s *Store) write(last uint64, values [][]byte, snapshots map[string][]byte) error {
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(now, s.self) {
		return fmt.Errorf("%s was moved or replaced while in use", s.path)
	}
	before := 0
	err := s.db.Update(func(tx *bbolt.Tx) error {
		before = tx.ID() - 1
		records := tx.Bucket(bucketRecords)
		records.FillPercent = 1 // keys only ever grow
		for i, v := range values {
			if err := records.Put(seqKey(last+uint64(i)+1), v); err != nil {
				return err
			}
		}
		for name, data := range snapshots {
			if err := tx.Bucket(bucketSnapshots).Put([]byte(name), seal([]byte(name), data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	// The head is written last. As long as the one before stands nothing happened.
	if now, headErr := s.transaction(); headErr != nil || now != before {
		return errors.Join(err, headErr)
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

// transaction returns the number of the newest transaction that the file shows.
func (s *Store) transaction() (id int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return nil
	})
	return id, err
}

// Snapshot returns what was last committed under name, nil when nothing was.
func (s *Store) Snapshot(name string) ([]byte, error) {
	var data []byte
	err := s.db.View(func(tx *bbolt.Tx) error {
		v := tx.Bucket(bucketSnapshots).Get([]byte(name))
		if v == nil {
			return nil
		}
		d, err := unseal([]byte(name), v)
		if err != nil {
			return damaged(s.path, fmt.Sprintf("snapshot %q: %v", name, err))
		}
		data = append([]byte{}, d...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	return data, nil
}
