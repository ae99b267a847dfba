package bot

import "sync"

// pokes tells those who look that there is something new. Each has room for one
// poke: who is slow misses some, finds the newest state all the same, and is never
// waited for. The zero value is ready for use, by any goroutine.
type pokes struct {
	mu  sync.Mutex
	who map[chan struct{}]struct{}
}

// watch returns where pokes come, until stop is called.
func (p *pokes) watch() (news <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.who == nil {
		p.who = map[chan struct{}]struct{}{}
	}
	p.who[c] = struct{}{}
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.who, c)
	}
}

func (p *pokes) poke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.who {
		token(c)
	}
}

// token puts one into c, unless it is full.
func token(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
