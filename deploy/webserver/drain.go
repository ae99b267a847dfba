package webserver

import "time"

// Reads is what makes a side be read after a flip has taken it out of service.
type Reads struct {
	Longest    time.Duration // of a request, from its first byte to its last include
	Revalidate time.Duration // for so long PHP's opcode cache does not look whether a file has changed
	Link       time.Duration // for so long a server remembers where the link led (mod_realdoc: RealpathEvery); 0 = it asks for each request
}

// tick is what clocks of whole seconds can be off: the opcode cache's and mod_realdoc's.
const tick = time.Second

// Drain is how long a side has to be left alone after a flip: the least that the
// stack's `drain` may be. Requests that began before the flip read on for Longest
// + Link; what they read last, the opcode cache believes for another Revalidate.
func (r Reads) Drain() time.Duration {
	return r.Longest + r.Revalidate + r.Link + tick
}
