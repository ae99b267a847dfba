// Package store keeps the journal: the append-only record of everything that
// happened, and beside it the newest snapshots, from which a restart goes on.
//
// It does not know what a record means: inputs, facts and snapshots are bytes to
// it. It drops and rewrites nothing that was committed, and it never puts an empty
// journal in the place of one that it can't read.
//
// # What the caller owes it
//
// The caller commits before it acts or speaks: when [Store.Commit] returns nil the
// records are on the disk (written, fdatasync'ed), when it returns an error the deed
// must not be done. [ErrFull] leaves everything as it was, and the caller may go on
// after [Store.ReleaseReserve]. After any other failed write the outcome is unknown:
// the store refuses further commits, and the caller stops acting and opens it anew.
// [Store.Close] ends it; one process at a time holds it.
//
// # Files
//
//	journal.db          the journal, a bbolt file
//	journal.db.lock     locked by the process that uses the journal; holds its pid
//	journal.db.reserve  1 MiB that ReleaseReserve gives back to a full disk
//	journal.db.schema-1 what an older program has left
//	journal.db.damaged-N  what stood in the place of a restored journal
//	backup/journal-N.db copies, the highest N is the newest
//
// # Buckets
//
//	meta       "schema"                     decimal text, now "2"
//	records    Seq, 8 bytes big-endian      sum, then the record's link, 32 bytes, then the record as JSON without its Seq
//	snapshots  name                         sum, then the bytes as they were given
//
// Records are numbered 1, 2, 3, … without a gap. A sum is 4 bytes, big-endian: CRC-32C
// of the key and of all that follows the sum. bbolt has no sums of its own, so these
// are what a flipped bit is found by.
//
// A record's link is the SHA-256 of the link before it (32 zero bytes for the first),
// its key and its JSON: [Store.Verify] finds what was changed, dropped or moved by
// somebody who has mended the sums. Who makes all links anew is found by a [Head] that
// is kept elsewhere.
//
// Schema 1 had no links. [Open] takes such a journal to schema 2, and keeps the old
// file as journal.db.schema-1.
//
// The schema is raised when an older program would misread what a newer one writes.
// A program refuses a higher schema than its own with [ErrNewer] and leaves the file
// alone. The name of a new bucket must sort behind "meta".
//
// # Damage
//
// bbolt maps its file into memory and trusts it: a page number that points nowhere
// is a crash or an endless loop. So [Open] first reads the file from end to end by
// hand: both heads, each page of the tree, the list of free pages, each sum. It costs
// about as much as reading the file, and what it lets through is whole.
package store
