package release

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Committed returns when a commit that was built was made: its committer's date, to
// the second, which a rebase or a merge renews. out is told of the command.
func (s *Store) Committed(ctx context.Context, commit string, out Out) (time.Time, error) {
	said := ""
	err := s.mirror.ask(ctx, out, func(line string, stderr bool) {
		if !stderr {
			said = line
		}
	}, "show", "--no-patch", "--no-show-signature", "--format=%ct", "--end-of-options", commit)
	if err != nil {
		return time.Time{}, err
	}
	n, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("git show: %q is no time", said)
	}
	return time.Unix(n, 0).UTC(), nil
}
