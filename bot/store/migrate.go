package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// migrate takes the journal at path, which is sound and of schema 1, to [schema]: a
// new file with all that it holds takes its place, and it stays beside it. The lock
// is held. It may be done again wherever it was cut off.
func migrate(path string) (Head, error) {
	fresh := path + ".new"
	if err := removeAny(fresh); err != nil {
		return Head{}, err
	}
	head, err := rewrite(path, fresh)
	if err != nil {
		return Head{}, errors.Join(err, removeAny(fresh))
	}
	if err := keepOld(path, path+".schema-1"); err != nil {
		return Head{}, err
	}
	return head, replace(fresh, path)
}

// keepOld gives the file at path the name old, too.
func keepOld(path, old string) error {
	err := os.Link(path, old)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	was, err := os.Stat(old)
	if err == nil && !os.SameFile(now, was) {
		err = fmt.Errorf("%s is there already, from another journal: move it away", old)
	}
	return err
}

// rewrite makes fresh of what the journal from holds, with links.
func rewrite(from, fresh string) (head Head, err error) {
	old, err := openBolt(from)
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	db, err := openBolt(fresh)
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Update(makeBuckets); err != nil {
		return Head{}, err
	}
	err = old.View(func(src *bbolt.Tx) error {
		err := db.Update(func(dst *bbolt.Tx) error {
			return src.Bucket(bucketSnapshots).ForEach(func(name, value []byte) error {
				return dst.Bucket(bucketSnapshots).Put(name, value)
			})
		})
		c := src.Bucket(bucketRecords).Cursor()
		for k, v := c.First(); k != nil && err == nil; {
			err = db.Update(func(dst *bbolt.Tx) error {
				records := dst.Bucket(bucketRecords)
				records.FillPercent = 1 // keys only ever grow
				for range 10_000 {
					if k == nil {
						return nil
					}
					body, err := unseal(k, v)
					if err != nil {
						return err // unreachable: it was found sound
					}
					head = Head{head.Seq + 1, head.Link.next(k, body)}
					if err := records.Put(k, seal(k, append(head.Link[:], body...))); err != nil {
						return err
					}
					k, v = c.Next()
				}
				return nil
			})
		}
		return err
	})
	return head, err
}
