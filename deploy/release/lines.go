package release

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// longest is the most bytes of a line that are kept.
const longest = 4 << 10

// lines is a Writer that hands what is written on as lines, ended by \n, \r\n or
// \r, safe to show, without the user and password of any URL. What is beyond the
// longest line is dropped.
type lines struct {
	mu   *sync.Mutex // held while emit runs: shared by the writers of one command
	emit func(line string)

	buf []byte
	cut bool // more was written than is kept
	cr  bool // the last byte was \r
}

// Write takes all of p.
func (l *lines) Write(p []byte) (int, error) {
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

// end hands on a last line that has no end.
func (l *lines) end() {
	if len(l.buf) > 0 {
		l.flush()
	}
}

func (l *lines) flush() {
	line := userinfo.ReplaceAllString(clean(string(l.buf)), "://")
	if l.cut {
		line += " …"
	}
	l.buf, l.cut = l.buf[:0], false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit(line)
}

// userinfo is what a URL has in front of its host.
var userinfo = regexp.MustCompile(`://[^/@\s]*@`)

// escape is a terminal's control sequence: colour, mostly.
var escape = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// clean returns s without colours, and with U+FFFD for every byte that is not
// text: safe on a terminal, in a log and in a channel.
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
