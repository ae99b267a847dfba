package fleet

import (
	"sync"
	"time"
)

// perHost is what it takes to have one host more hear when to flip, on a slow machine.
const perHost = time.Millisecond

// momentMax is how far ahead the moment of a flip is at most.
const momentMax = 50 * time.Millisecond

// moment is when hosts flip, all at once: far enough ahead that the last has heard
// of it when the first moves its link.
type moment struct {
	mu sync.Mutex
	at time.Time
}

// next returns the moment for hosts that flip together: the one that is still ahead, or a new one.
func (m *moment) next(hosts int) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if hosts > 1 && !m.at.After(now) {
		m.at = now.Add(min(time.Duration(hosts)*perHost, momentMax))
	}
	return m.at
}
