package irc

// Waiting returns how many lines have been given and not yet taken for sending.
func (l *Link) Waiting() int { return l.outbox.waiting() }

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.urgent) + len(o.chatter)
	if o.topic != nil {
		n++
	}
	return n
}
