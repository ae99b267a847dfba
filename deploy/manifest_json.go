package deploy

import (
	"encoding/json"
	"unicode/utf8"
)

// entryJSON is an Entry as JSON. A JSON string can't hold every path that a file
// system can: where Path or Link is not UTF-8, RawPath or RawLink has its bytes.
type entryJSON struct {
	Path    string `json:",omitempty"`
	RawPath []byte `json:",omitempty"`
	Type    Type
	Perm    uint32 `json:",omitempty"`
	Size    int64  `json:",omitempty"`
	Link    string `json:",omitempty"`
	RawLink []byte `json:",omitempty"`
	Sum     string `json:",omitempty"`
}

// MarshalJSON writes the entry so that UnmarshalJSON reads it back, byte for byte.
func (e Entry) MarshalJSON() ([]byte, error) {
	j := entryJSON{Type: e.Type, Perm: e.Perm, Size: e.Size, Sum: e.Sum}
	j.Path, j.RawPath = split(e.Path)
	j.Link, j.RawLink = split(e.Link)
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var j entryJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*e = Entry{
		Path: j.Path + string(j.RawPath), Type: j.Type, Perm: j.Perm, Size: j.Size,
		Link: j.Link + string(j.RawLink), Sum: j.Sum,
	}
	return nil
}

// split returns s as text where JSON can hold it, else as bytes.
func split(s string) (text string, raw []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return "", []byte(s)
}
