package irc

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = time.Second
	backoffLast  = 30 * time.Second // so that the bot is back within a minute of what kept it away
)

// backoff is the time to wait before the next attempt. The zero value is the
// state before the first failure.
type backoff struct{ failures int }

// next counts a failure and returns the wait: 1 s doubling to 30 s, less up to a
// quarter so that many bots do not return at one moment.
func (b *backoff) next() time.Duration {
	wait := min(backoffFirst<<min(b.failures, 10), backoffLast)
	b.failures++
	return wait - rand.N(wait/4)
}

func (b *backoff) reset() { b.failures = 0 }
