package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// schema is the version of what the buckets hold; see the package comment.
const schema = 2

// lockWait is how long Open waits for another process to let go of the journal:
// long enough for a bot that is just being restarted.
const lockWait = time.Second

var (
	bucketMeta      = []byte("meta")
	bucketRecords   = []byte("records")
	bucketSnapshots = []byte("snapshots")

	keySchema = []byte("schema")
)

// Store is an open journal. Its methods may be called from any goroutine; commits
// are done one after the other. Make one with [Open].
type Store struct {
	path string
	db   *bbolt.DB
	lock *os.File
	self os.FileInfo // the file that db has open, to notice when another takes its place

	head   atomic.Pointer[Head]
	copies sync.Mutex // held during Backup

	commits sync.Mutex // held during Commit and guards broken
	broken  error      // why no commit is possible any more; nil = it is
}

// Open opens the journal at path, or creates it (mode 0600) with its folder (mode
// 0700) where there is neither a journal nor a copy of one. A journal appears whole
// or not at all, whatever happens meanwhile.
//
// It returns a [*Busy] when another process uses the journal, [ErrNewer] when a newer
// program wrote it, and a [*Damaged] when it can't be trusted.
func Open(path string) (*Store, error) {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("create state folder: %w", err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	// Without space the reserve has to wait: Free tells, and a journal that
	// can't be opened on a full disk would be no help.
	if err := s.TakeReserve(); err != nil && !errors.Is(err, ErrFull) {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openLocked opens the journal whose lock is held.
func openLocked(path string) (*Store, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		have, err := copies(backupDir(path)) // good or bad, there was a journal
		if err != nil {
			return nil, fmt.Errorf("look for copies of the journal: %w", err)
		}
		if len(have) > 0 {
			return nil, damaged(path, "it is missing, though there are copies of it")
		}
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create journal: %w", err)
		}
	}
	found, err := inspectFile(path, bothHeads)
	if err != nil {
		return nil, withCopy(err)
	}
	if found.schema < schema {
		if found.head, err = migrate(path); err != nil {
			return nil, fmt.Errorf("take the journal to schema %d: %w", schema, err)
		}
	}
	db, err := openBolt(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	self, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), db.Close())
	}
	s := &Store{path: path, db: db, self: self}
	s.head.Store(&found.head)
	return s, nil
}

// openBolt opens a bbolt file. What bbolt says by panicking comes as an error.
func openBolt(path string) (db *bbolt.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = damaged(path, fmt.Sprint(r)) // unreachable after inspectFile, as far as we know
		}
	}()
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
}

// create makes an empty journal at path.
func create(path string) error {
	fresh := path + ".new" // the lock is held: nobody else makes one
	if err := removeAny(fresh); err != nil {
		return err
	}
	db, err := openBolt(fresh)
	if err != nil {
		return err
	}
	err = db.Update(makeBuckets)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return replace(fresh, path)
}

// makeBuckets makes the buckets of an empty journal.
func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketRecords, bucketSnapshots} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keySchema, strconv.AppendInt(nil, schema, 10))
}

// Last returns the number of the newest record, 0 when there is none.
func (s *Store) Last() uint64 { return s.Head().Seq }

// Close waits for what is under way, then lets go of the journal.
func (s *Store) Close() error {
	return errors.Join(s.db.Close(), s.lock.Close())
}
