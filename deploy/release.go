package deploy

import "time"

// Release is an immutable tree built from one commit.
type Release struct {
	ID     string // the commit's short hash (12 hex digits); the name of the release
	Commit string // the full hash
	Digest string // of its Manifest, 64 hex digits: what the release is proved by
	Files  int    // regular files
	Bytes  int64  // their size in all
}

// Side is one of the two docroots of a host.
type Side string

// The two sides; the zero Side is none.
const (
	Yin  Side = "yin"
	Yang Side = "yang"
)

// Other returns the other side; of no side it is Yin, the first that is filled.
func (s Side) Other() Side {
	if s == Yin {
		return Yang
	}
	return Yin
}

// Seal says that a side of a host held one release whole when it was hashed there.
type Seal struct {
	Release string
	Digest  string
	Epoch   uint64 // of the rollout that sealed it
}

// Standing is what a host answers about one root now. Nothing else is ever
// believed about a host.
type Standing struct {
	Live  Side          // the side behind the link; "" = there is no link yet
	Sides map[Side]Seal // sealed sides only: a side that is missing here is empty, dirty or unknown
	Epoch uint64        // the highest epoch that the host has accepted
	Drain time.Duration // how long the idle side may still have readers; 0 = it may be written now
}

// Target is one stage of one stack: what a rollout goes to.
type Target struct{ Stack, Stage string }

// String returns "stack/stage".
func (t Target) String() string { return t.Stack + "/" + t.Stage }
