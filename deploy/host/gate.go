package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// Call is how `pushtrain host` was started.
type Call struct {
	Roots   []string // that it may serve, absolute paths
	Session bool     // by a bot's own SessionCommand: whoever can say that can run anything
	Logs    []string // by a forced command: log files that may be read, absolute paths
	Hooks   []string // by a forced command: what may be run before and after a flip, and what watch may follow, each an argv with single spaces between
}

// What a session begins with, a line each: the helper answers now; or it is not there,
// and behind the word stands what uname(1) says there. Its bytes are waited for then.
const (
	Ready  = "ready"
	Absent = "absent "
)

// Unplaced is the exit status of a host where the helper could not be put.
const Unplaced = 4

// opening is what the login shell has sh(1) do, about the helper's name, its size in bytes
// and the root. Where the helper is not whole, what comes next on stdin takes its place.
// It has no quote, backslash, line's end or exclamation mark: login shells differ there.
var opening = `p="$HOME/.cache/pushtrain"; h="$p/$1"; test -x "$h" && test "$(wc -c <"$h")" -eq "$2" || ` +
	`( echo "` + Absent + `$(uname -sm)"; umask 077; t="$p/.new-$$"; mkdir -p "$p" && head -c "$2" >"$t" && test "$(wc -c <"$t")" -eq "$2" && ` +
	`chmod 700 "$t" && mv -f "$t" "$h" || { rm -f "$t"; exit ` + strconv.Itoa(Unplaced) + `; } ) && echo ` + Ready + ` && exec "$h" host --session --root "$3"`

// SessionCommand is what a bot has the login shell of a host run: the helper of
// this name and size in the cache folder, about root. None holds anything that any
// login shell reads differently.
func SessionCommand(name string, size int64, root string) string {
	return fmt.Sprintf(`exec sh -c '%s' sh %s %d '%s'`, opening, name, size, root)
}

// sessionCommand is what SessionCommand makes: the name, the size and the root.
var sessionCommand = regexp.MustCompile(`^exec sh -c '` + regexp.QuoteMeta(opening) + `' sh pushtrain-[0-9a-f]+ [0-9]+ '([^'\\]+)'$`)

// HelperName is what a program is called as the helper on hosts: it says what is in it.
func HelperName(program string) (string, error) {
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("pushtrain-%x", h.Sum(nil)[:6]), nil
}

// Run is `pushtrain host`. As the forced command of a key, which sshd tells by
// SSH_ORIGINAL_COMMAND, it admits a bot's session about one of the roots, and the
// rsync that fills a side of it while the session holds its lock; nothing else,
// and no shell ever reads what was asked for. It does not return from an rsync.
func Run(ctx context.Context, c Call, in *os.File, out io.Writer) error {
	for i, root := range c.Roots {
		if c.Roots[i] = filepath.Clean(root); !filepath.IsAbs(root) || c.Roots[i] == "/" {
			return fmt.Errorf("root %q is no absolute path below /", root)
		}
	}
	original, forced := os.LookupEnv("SSH_ORIGINAL_COMMAND")
	conn := os.Getenv("SSH_CONNECTION")
	requests := &stdin{File: in}
	Widen(in.Fd())
	switch {
	case len(c.Roots) == 0:
		return errors.New("--root is missing")
	case forced && !c.Session:
		return c.admit(ctx, original, conn, requests, out)
	case conn != "" && !c.Session:
		return errors.New("refused: this key opens no shell")
	case len(c.Roots) > 1:
		return errors.New("one session serves one root")
	}
	s := newSession(c.Roots[0])
	s.apart = true
	return s.run(ctx, requests, out)
}

// mayRun refuses a hook that this key is not given.
func (c *Call) mayRun(argv []string) error {
	line := strings.Join(argv, " ")
	if c == nil || slices.Contains(c.Hooks, line) && slices.Equal(strings.Split(line, " "), argv) {
		return nil
	}
	return refuse(Bad, "this key's command in authorized_keys does not allow it to run %s: add --hook '%[1]s' there", oneLine(line))
}

// admit carries out what a client of sshd has asked for, or refuses it.
func (c Call) admit(ctx context.Context, asked, conn string, in Input, out io.Writer) error {
	if m := sessionCommand.FindStringSubmatch(asked); m != nil {
		if !slices.Contains(c.Roots, m[1]) {
			return fmt.Errorf("refused: root %s is none of this key's: %s", oneLine(m[1]), strings.Join(c.Roots, " "))
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		helper, err := HelperName(self)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, Ready); err != nil {
			return err
		}
		s := newSession(m[1])
		s.apart, s.helper, s.conn, s.forced = true, helper, conn, &c
		return s.run(ctx, in, out)
	}
	argv, root, side, err := receiver(asked, c.Roots)
	if err != nil {
		return err
	}
	if err := mayFill(root, side, conn); err != nil {
		return err
	}
	path, err := exec.LookPath("rsync")
	if err != nil {
		return err
	}
	return unix.Exec(path, argv, os.Environ())
}

// Of a receiver's words: the letters that stand for what the bot asks for, behind
// them what its rsync can do; and the options that come along.
var (
	receiverLetters = regexp.MustCompile(`^-[lptrc]+e[0-9]*\.[0-9]*[A-Za-z]*$`)
	receiverOption  = regexp.MustCompile(`^--(timeout=[0-9]{1,4}|delete|delete-before|delete-during)$`)
)

// receiver returns the argv of the rsync that asked is for, and the side that it
// fills, if it is one that a bot has sent.
func receiver(asked string, roots []string) (argv []string, root string, side deploy.Side, err error) {
	argv = strings.Split(asked, " ")
	no := func(what string) error {
		return fmt.Errorf("refused: this key opens a pushtrain session and its rsync into %s: %s", strings.Join(roots, " "), what)
	}
	n := len(argv)
	switch {
	case n < 5 || argv[0] != "rsync" || argv[1] != "--server":
		return nil, "", "", no("not " + oneLine(asked))
	case argv[2] == "-s":
		return nil, "", "", no("rsync hides what it is asked for where a root has more than letters, digits and . _ / + , = @ % -")
	case !receiverLetters.MatchString(argv[2]) || argv[n-2] != ".":
		return nil, "", "", no("not with " + oneLine(strings.Join(argv[2:], " ")))
	}
	for _, option := range argv[3 : n-2] {
		if !receiverOption.MatchString(option) {
			return nil, "", "", no("not with " + oneLine(option))
		}
	}
	for _, root := range roots {
		for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
			if argv[n-1] == root+"/"+string(side)+"/" {
				return argv, root, side, nil
			}
		}
	}
	return nil, "", "", no("not " + oneLine(argv[n-1]))
}

// mayFill refuses a receiver where no session of its own connection holds the
// lock, or where the side is the live one.
func mayFill(root string, side deploy.Side, conn string) error {
	s := &session{path: root}
	if err := s.open(false); err != nil {
		return err
	}
	defer s.close()
	if s.root == nil {
		return fmt.Errorf("refused: there is no %s", root)
	}
	f, err := s.root.Open(state + "/lock")
	if err == nil {
		defer f.Close()
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	}
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("refused: no session holds the lock of %s", root)
	case !errors.Is(err, unix.EWOULDBLOCK):
		return err
	}
	var h holder
	if s.readJSON("lock", &h) && h.Conn != conn {
		return fmt.Errorf("refused: the session that holds the lock of %s came another way", root)
	}
	live, err := s.live()
	if err == nil && live == side {
		err = fmt.Errorf("refused: %s is the live side", filepath.Join(root, string(side)))
	}
	return err
}
