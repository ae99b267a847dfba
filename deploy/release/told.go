package release

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Began is the line of a log that says that a command was started: "$ make dist".
// An argument that a shell would not take as it stands is quoted.
func Began(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		if !bare.MatchString(arg) {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words[i] = arg
	}
	return Safe(short("$ "+strings.Join(words, " "), longest))
}

// Ended is the line of a log that says how it ended and how long it took: "make
// dist: exit status 0 after 1.25s". A long command is called by its beginning.
func Ended(argv []string, took time.Duration, err error) string {
	how := "exit status 0"
	var fail *ExecError
	switch {
	case errors.As(err, &fail):
		how = fail.Err.Error()
	case err != nil:
		how = err.Error()
	}
	return Safe(fmt.Sprintf("%s: %s after %s", short(strings.Join(argv, " "), 80), how, took.Round(time.Millisecond)))
}

// bare is an argument that every shell takes as it stands.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// short returns the first n bytes of s, and says that there are more.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + CutMark
}
