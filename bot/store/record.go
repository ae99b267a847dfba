package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"time"

	"go.etcd.io/bbolt"
)

// Record is one thing that happened.
type Record struct {
	Seq   uint64          `json:"-"`               // its number, from 1 without a gap; given by Commit
	At    time.Time       `json:"at"`              // kept to the nanosecond, read back in UTC
	Kind  string          `json:"kind"`            // whose it is, as "train" or "deploy"
	Type  string          `json:"type"`            // the name of the input
	Body  json.RawMessage `json:"body,omitempty"`  // the input; must be JSON, kept without blanks
	Facts json.RawMessage `json:"facts,omitempty"` // what came of it; may be empty
}

// Records yields the records from number from on (0 and 1 = all), in order, up to
// the newest at the time of the call. It holds a few of them at a time, and the loop
// may commit. An error ends it.
func (s *Store) Records(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		last := s.Last()
		for next := max(from, 1); next <= last; {
			batch, err := s.read(next, last)
			for _, r := range batch {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("read journal: %w", err))
				return
			}
			next += uint64(len(batch))
		}
	}
}

// read returns some records, at least one, from number next to at most last.
func (s *Store) read(next, last uint64) (batch []Record, err error) {
	const enough = 256 << 10 // bytes
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRecords).Cursor()
		size := 0
		for k, v := c.Seek(seqKey(next)); next <= last && size < enough; k, v = c.Next() {
			if !bytes.Equal(k, seqKey(next)) {
				return damaged(s.path, fmt.Sprintf("record %d is missing", next))
			}
			r, err := decodeRecord(k, v)
			if err != nil {
				return damaged(s.path, err.Error())
			}
			batch = append(batch, r)
			size += len(v)
			next++
		}
		return nil
	})
	return batch, err
}

// seqKey is the key of record seq.
func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// encodeRecord is what stands in the bucket under the key of r, which follows the
// record with the link before, and r's own link.
func encodeRecord(before Link, r Record) ([]byte, Link, error) {
	r.At = r.At.UTC()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, Link{}, err
	}
	key, body := seqKey(r.Seq), bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	link := before.next(key, body)
	return seal(key, append(link[:], body...)), link, nil
}

// decodeRecord is the inverse of encodeRecord.
func decodeRecord(key, value []byte) (Record, error) {
	if len(key) != 8 {
		return Record{}, fmt.Errorf("a record has the key %x", key)
	}
	r := Record{Seq: binary.BigEndian.Uint64(key)}
	_, body, err := unchain(key, value)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		return Record{}, fmt.Errorf("record %d: %w", r.Seq, err)
	}
	return r, nil
}

var errSum = errors.New("its sum is wrong")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts the sum of key and data before data.
func seal(key, data []byte) []byte {
	out := make([]byte, 4, 4+len(data))
	binary.BigEndian.PutUint32(out, sum(key, data))
	return append(out, data...)
}

// unseal returns the data behind the sum, which must be right. It points into value.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < 4 || binary.BigEndian.Uint32(value) != sum(key, value[4:]) {
		return nil, errSum
	}
	return value[4:], nil
}

func sum(key, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, data)
}
