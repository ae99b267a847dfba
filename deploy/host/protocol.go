package host

import (
	"time"

	"pushtrain/deploy"
)

// Version is the protocol's. A session whose Hello does not answer it is not used.
const Version = 4

// Request is one line of JSON to `pushtrain host`, and Blob bytes behind it.
// Exactly one Response with the same N comes back for each, in order; before it
// there may be others that say no more than Busy.
type Request struct {
	N       uint64
	Do      Verb
	Epoch   uint64        `json:",omitempty"` // every verb but Hello, Status, Checkup, Tail and Audit carries it; one that is lower than the host's is refused for good
	Stack   string        `json:",omitempty"` // Lock: for the message of who holds it
	By      string        `json:",omitempty"` // Lock: likewise
	Owner   string        `json:",omitempty"` // Lock: who uses the epoch, up to 16 hex digits; the same epoch of another one is refused
	Prove   bool          `json:",omitempty"` // Lock: a live side with a file that was changed since it was sealed is sealed no more; the other one is looked at by Seal
	Side    deploy.Side   `json:",omitempty"` // Prepare, Seal, Flip, Audit: the side to fill, seal, flip to, read; Before, After: the one that was filled, that is live
	From    deploy.Side   `json:",omitempty"` // Flip: the side that must be live now; "" = there is no link yet
	In      time.Duration `json:",omitempty"` // Flip: when the link is to be moved, from when the request is heard, at most a second; so that all hosts flip at one moment
	Clock   time.Duration `json:",omitempty"` // Flip: that moment as the session's clock shows it, if the caller knows; no later than In says
	Seal    deploy.Seal   `json:",omitzero"`  // Prepare: what is coming; Seal, Audit: what it must be; Flip, Before: what it must be sealed with; Flip, back to From of before: zero = with nothing, it is as a hand has left it
	Drain   time.Duration `json:",omitempty"` // Hello: how long a side may have readers after it was left
	Need    Need          `json:",omitzero"`  // Prepare: room that the side needs
	File    string        `json:",omitempty"` // Tail: the log, an absolute path
	At      Position      `json:",omitzero"`  // Tail: how far it has been read
	Witness string        `json:",omitempty"` // Flip, Unlock: what the bot's journal says now; kept here
	Argv    []string      `json:",omitempty"` // Before, After: the command, run without a shell; Tail: likewise, instead of File
	Hooks   [][]string    `json:",omitempty"` // Checkup: what Before and After would be asked to run
	Blob    int64         `json:",omitempty"` // Fill, Files, Seal, Audit: so many bytes follow the line; Seal: 0 = the manifest is the one that Fill brought
}

// BusyEvery is how often at most an answer that is yet to come is said to be so.
const BusyEvery = time.Second

// Need is room asked for on the host's file system.
type Need struct {
	Bytes int64
	Files int64
}

// Verb is what a Request asks for.
type Verb string

const (
	Hello   Verb = "hello"   // who are you: Version, tools, Standing. Takes nothing
	Lock    Verb = "lock"    // takes the root's lock for Epoch and keeps Epoch on disk; held until Unlock or the session's end
	Prepare Verb = "prepare" // checks that Side is idle, drained and has room, and ends the rsyncs in it and marks it dirty. Answers Ready when it is sealed with Seal already
	Fill    Verb = "fill"    // after a Prepare that answered Fill: makes Side into the release whose packed manifest, and the mtime of each of its files, are Blob, but for the files that it answers as Want
	Files   Verb = "files"   // writes the files of Want: Blob is their contents, one behind the other
	Seal    Verb = "seal"    // holds Side against the packed manifest that Blob begins with, by hashes or by what its record says; seals it, with fsync, when they are equal
	Flip    Verb = "flip"    // compare-and-swap of the link, read back
	Before  Verb = "before"  // runs Argv in ROOT, if Side is sealed with Seal and not live; may be asked more than once
	After   Verb = "after"   // runs Argv in ROOT, if Side is live; may be asked more than once
	Status  Verb = "status"  // Standing
	Unlock  Verb = "unlock"
	Checkup Verb = "checkup" // Health. Takes nothing, and leaves nothing behind
	Tail    Verb = "tail"    // the lines that have come to File since At, or that Argv, which runs until the session ends, has said since the last Tail. Takes nothing
	Audit   Verb = "audit"   // reads all of Side, beside other work, and says in Diff how it is not the manifest that Blob begins with. Takes nothing
)

// Beats reports whether a session that does this says Busy every BusyEvery, but while it takes a Blob.
func (v Verb) Beats() bool {
	switch v {
	case Lock, Fill, Files, Seal, Before, After, Audit:
		return true
	}
	return false
}

// Response answers one Request.
type Response struct {
	N        uint64
	Err      string          `json:",omitempty"` // one line for a person; "" = done
	Code     Code            `json:",omitempty"` // the kind of Err
	Version  int             `json:",omitempty"` // Hello
	Rsync    string          `json:",omitempty"` // Hello: rsync's version, "" = it is missing
	Helper   string          `json:",omitempty"` // Hello: by a forced command, which program answers; "" = the one that was asked for
	Standing deploy.Standing `json:",omitzero"`  // all verbs: as it is after the deed
	Heard    time.Duration   // all verbs: what the session's clock showed when the request came ...
	Told     time.Duration   // ... and when it was answered. The clock starts with the session
	Busy     bool            `json:",omitempty"` // the answer is yet to come
	Ready    bool            `json:",omitempty"` // Prepare: nothing to send; Flip: it was there already
	Fill     bool            `json:",omitempty"` // Prepare: what the side holds is known, so Fill can make it into another release
	Want     []byte          `json:",omitempty"` // Fill: a bit for each entry of the manifest, the lowest first; set = send its contents
	Diff     []string        `json:",omitempty"` // Seal, Audit: the first paths that differ, at most 10, each with what differs
	At       Position        `json:",omitzero"`  // Tail: how far it has been read now
	More     bool            `json:",omitempty"` // Tail: there is more to read at once
	Lost     int64           `json:",omitempty"` // Tail: bytes that were passed over, so as not to fall behind
	Health   *Health         `json:",omitempty"` // Checkup
	Witness  string          `json:",omitempty"` // Status: what the journal of the bot that moved the link last said then; "" = none is kept
	Ran      *Ran            `json:",omitempty"` // Before, After: how the command ended; nil = it was not run
	Said     []string        `json:",omitempty"` // Before, After: the last lines of what the command said; Tail: the lines
}

// Ran is a command that has ended.
type Ran struct {
	Ended  string // as release.Ended has it
	Stderr []int  `json:",omitempty"` // which lines of Said it said there
}

// Code is the kind of a refusal, for the caller's next step.
type Code string

const (
	Stale    Code = "stale"    // Epoch is lower than one that the host has accepted; Lock: or it is that one, and another Owner's
	Locked   Code = "locked"   // another session holds the lock
	NotLock  Code = "nolock"   // the verb needs the lock
	BadRoot  Code = "badroot"  // Hello, Lock: ROOT is no folder that anybody can have meant
	Plain    Code = "plain"    // ROOT/current is not a link
	Writing  Code = "writing"  // an rsync that is not the caller's is at work in the side
	Draining Code = "draining" // Standing.Drain says for how long
	Full     Code = "full"     // not enough room, before or while it is filled
	NoRsync  Code = "norsync"  // rsync is missing, or too old
	Differs  Code = "differs"  // the side is not the manifest
	Doubt    Code = "doubt"    // Fill, Files: what the side holds is not known well enough
	Unsealed Code = "unsealed" // Flip: the side is not sealed with what was named
	Moved    Code = "moved"    // Flip: the link is on neither From nor Side
	LiveSide Code = "live"     // Prepare, Seal: the side is the live one
	Failed   Code = "failed"   // Before, After: the command did not do its work; Tail: it has ended
	Broken   Code = "broken"   // the file system said no; Err has what
	Bad      Code = "bad"      // the request makes no sense
)
