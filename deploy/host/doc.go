// Package host is pushtrain on a host: what `pushtrain host --root ROOT` does,
// started over ssh for as long as one session lasts, or run in this process for
// a folder of this machine. There is no daemon.
//
//	ROOT/yin  ROOT/yang     the two sides
//	ROOT/current            link to one of them: the live side
//	ROOT/.pushtrain/        what the host keeps:
//	    epoch               the highest epoch that it has accepted, and whose it is
//	    lock                flock(2), held by a session; its text says for whom
//	    yin.seal yang.seal  the release that a side held whole; without it the side is dirty
//	    yin.stamps …        what it held then, and how its files looked: what was not written since is not read again
//	    left                which side the last flip left, and when
//	    witness             what the bot's journal said at the last flip or unlock
//
// As a key's forced command it lets nothing else in: see [Run].
//
// [Serve] answers one session's requests, one after the other. It believes
// nothing that it is told of the host, and reads it all at each request: the
// live side is the one behind the link now. Only what it has seen whole it does not
// look at again while the kernel tells it that nothing was done there. It writes the live side never, and to
// the link by rename(2) alone. The idle side's files it writes only on the way
// from a release that it has sealed there, or from nothing, to another one; from
// anything else, rsync does. What its answers say is on disk before they are given.
//
// A session that ends, however it ends, gives its lock back, ends the commands that it
// follows, and leaves a side that was being filled dirty. One that holds the lock and is not heard for [Silence] is
// ended.
//
// The caller owes it: an end of the input when the session is over (the end of
// the context stops the request under way, not a wait for the next), a reader for
// the answers, and nobody else who writes below ROOT while it holds the lock.
package host
