package release

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// longest is the most bytes of a line that are kept.
const longest = 4 << 10

// CutMark ends a line of which there was more.
const CutMark = " …"

// Lines is a Writer that hands what is written on as lines, ended by \n, \r\n or
// \r, [Safe]. What is beyond the longest line is dropped.
type Lines struct {
	mu   *sync.Mutex // held while emit runs: shared by the writers of one command
	emit func(line string)

	buf []byte
	cut bool // more was written than is kept
	cr  bool // the last byte was \r
}

// NewLines returns one that hands its lines to emit, one call at a time.
func NewLines(emit func(line string)) *Lines { return &Lines{mu: new(sync.Mutex), emit: emit} }

// Write takes all of p.
func (l *Lines) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n' && l.cr:
			// the end of \r\n: the line went out at its \r
		case b == '\n' || b == '\r':
			l.flush()
		case len(l.buf) < longest:
			l.buf = append(l.buf, b)
		default:
			l.cut = true
		}
		l.cr = b == '\r'
	}
	return len(p), nil
}

// End hands on a last line that has no end.
func (l *Lines) End() {
	if len(l.buf) > 0 {
		l.flush()
	}
}

func (l *Lines) flush() {
	line := Safe(string(l.buf))
	if l.cut {
		line += CutMark
	}
	l.buf, l.cut = l.buf[:0], false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit(line)
}

// Safe returns s without the user and password of any URL, without a terminal's
// control sequences, and with U+FFFD for every byte that is not text: for a
// terminal, a log and a channel.
func Safe(s string) string { return userinfo.ReplaceAllString(clean(s), "://") }

// userinfo is what a URL has in front of its host.
var userinfo = regexp.MustCompile(`://[^/\s]*@`)

// escape is a terminal's control sequence: colour, mostly; a title, a link, a character set.
var escape = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[0-OQ-WYZ\\\x60-~])`)

// clean returns s without control sequences, and with U+FFFD for every byte that is not text.
func clean(s string) string {
	s = escape.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case r == '\t' || unicode.Is(unicode.Zs, r):
			return ' '
		}
		return '\uFFFD'
	}, s)
}
