package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Commit is one change of a source, but for merges.
type Commit struct {
	Hash    string
	At      time.Time // when it was committed
	Name    string    // its author's, as the repository's .mailmap has it
	Email   string    // likewise
	Subject string
	Files   []string // the paths that it touches, at most 1,000
}

// What is kept of a long history.
const (
	maxCommits = 200
	maxFiles   = 1000 // of one commit
)

// listLimit is how long the source may take to say what is new: a rollout may wait for it.
const listLimit = 30 * time.Second

var errListLimit = fmt.Errorf("the repository has not answered within %s", listLimit)

// Commits returns what is in the commit to and was not in from, newest first, at
// most 200. to "" is what the branch holds now: it is fetched.
func (s *Store) Commits(ctx context.Context, from, to string) ([]Commit, error) {
	if to == "" {
		var err error
		if to, err = s.newest(ctx); err != nil {
			return nil, err
		}
	}
	for _, c := range []string{from, to} {
		if !fullHash.MatchString(c) {
			return nil, errors.New("commits are named by their full hashes")
		}
	}
	// No line of a commit can be taken for the begin of another.
	begin := rand.Text() + " "
	var all []Commit
	var field int // of the commit that is being read
	out := func(line string, stderr bool) {
		if stderr {
			return
		}
		if hash, ok := strings.CutPrefix(line, begin); ok {
			all, field = append(all, Commit{Hash: hash}), 0
			return
		}
		if len(all) == 0 {
			return
		}
		c := &all[len(all)-1]
		switch field++; {
		case field == 1:
			seconds, _ := strconv.ParseInt(line, 10, 64) // git writes a number
			c.At = time.Unix(seconds, 0).UTC()
		case field == 2:
			c.Name = line
		case field == 3:
			c.Email = line
		case field == 4:
			c.Subject = line
		case line != "" && len(c.Files) < maxFiles:
			c.Files = append(c.Files, line)
		}
	}
	err := command{
		name: []string{"git", "log"},
		argv: []string{"git", "log", "--no-merges", "--max-count=" + strconv.Itoa(maxCommits), "--name-only",
			"--format=" + begin + "%H%n%ct%n%aN%n%aE%n%s", "--end-of-options", from + ".." + to, "--"},
		env: []string{"GIT_DIR=" + s.mirror.dir, "LC_ALL=C", "GIT_CONFIG_COUNT=2",
			"GIT_CONFIG_KEY_0=mailmap.blob", "GIT_CONFIG_VALUE_0=" + to + ":.mailmap",
			"GIT_CONFIG_KEY_1=core.quotePath", "GIT_CONFIG_VALUE_1=false"},
		out: out,
	}.run(ctx)
	return all, err
}

// newest fetches, and returns the commit that the branch holds.
func (s *Store) newest(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listLimit, errListLimit)
	defer cancel()
	over, err := s.await(ctx)
	if err != nil {
		return "", err
	}
	defer over()
	if err := s.mirror.open(ctx, nil); err != nil {
		return "", err
	}
	if err := s.mirror.fetch(ctx, s.src.Repo, nil); err != nil {
		return "", err
	}
	commit, err := s.mirror.find(ctx, s.src.Branch, nil)
	if err == nil && commit == "" {
		err = errors.New("there is no branch " + s.src.Branch)
	}
	return commit, err
}
