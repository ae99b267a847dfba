package deploy

// Manifest is every path of a release in byte order of Path: what proves it.
// It holds no times: a release is what it says, not when it was said.
type Manifest struct {
	Entries []Entry
}

// Entry is one path of a release.
type Entry struct {
	Path string // slash-separated, relative, clean, any bytes but NUL
	Type Type
	Perm uint32 // permission bits, 0..0777; 0 for a link
	Size int64  // bytes of a file; 0 for others
	Link string // a link's target, verbatim
	Sum  string // SHA-256 of a file's bytes, 64 hex digits; "" for others
}

// Type is what stands at a path. A release holds these three and nothing else.
type Type string

// The types of an Entry.
const (
	File Type = "file"
	Dir  Type = "dir"
	Link Type = "link"
)
