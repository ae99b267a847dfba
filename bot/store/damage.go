package store

import (
	"errors"
	"fmt"
)

// ErrNewer says that a newer program wrote the journal.
var ErrNewer = errors.New("was written by a newer pushtrain")

// Damaged says that a journal can't be trusted. Nothing was changed.
type Damaged struct {
	Path string
	What string // is wrong
	Copy string // what Restore can go on from: the newest good copy, or Path itself; "" = nothing was found
}

func (d *Damaged) Error() string {
	text := fmt.Sprintf("%s is damaged: %s; it was left as it is. ", d.Path, d.What)
	if d.Copy == "" {
		return text + "There is no good copy in " + backupDir(d.Path) + ": look for one and run `pushtrain restore FILE`"
	}
	return text + "To go on from the newest good state: `pushtrain restore " + d.Copy + "`"
}

// damaged makes a Damaged and looks for a copy.
func damaged(path, what string) *Damaged {
	return &Damaged{Path: path, What: what, Copy: newestOrNone(backupDir(path))}
}

// withCopy completes a Damaged about a journal: one that lost only its newest
// transaction is newer than any copy.
func withCopy(err error) error {
	d, ok := errors.AsType[*Damaged](err)
	if !ok {
		return err
	}
	if _, err := inspectFile(d.Path, oneHead); err == nil {
		return &Damaged{Path: d.Path, What: d.What, Copy: d.Path}
	}
	return damaged(d.Path, d.What)
}
