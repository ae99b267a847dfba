package release

import (
	"context"
	"errors"
	"strings"
)

// Holds asks a repository which commit its branch holds. It takes 30 s at most, and keeps nothing.
func Holds(ctx context.Context, repo, branch string) (commit string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listLimit, errListLimit)
	defer cancel()
	dir, repo, err := origin(repo)
	if err != nil {
		return "", err
	}
	err = command{
		name: []string{"git", "ls-remote"},
		argv: []string{"git", "ls-remote", "--", repo, "refs/heads/" + branch},
		dir:  dir,
		env:  []string{"GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
		out: func(line string, stderr bool) {
			if f := strings.Fields(line); len(f) == 2 && !stderr && fullHash.MatchString(f[0]) {
				commit = f[0]
			}
		},
	}.run(ctx)
	if err == nil && commit == "" {
		err = errors.New("there is no branch " + branch)
	}
	return commit, err
}
