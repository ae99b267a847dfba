// Package irc keeps the bot in one channel of one IRC server: it connects,
// registers, joins, stays, comes back, says what happened there as a stream of
// [Event] values, and sends what it is given without ever flooding the server.
//
// It does not know what a train is, parses no commands and keeps nothing on
// disk. It never speaks of its own accord in the channel.
//
// The caller runs [Link.Run] in one goroutine and reads the event channel until
// Run returns. [Link.SetTopic], [Link.Say] and [Link.Notice] may be called from
// any goroutine at any time and never wait. The reader owes an answer to every
// [Topic] with OnJoin: what stands there may be a person's edit made while the
// bot was away.
//
// # Getting in
//
// A link that TLS does not secure, and a login that the server refuses or does not
// offer, end that try: the bot has not said who it is in plain text, and does not enter
// the channel. In plain text it waits with all that it says of itself until the server
// has listed its capabilities; one that wants TLS (strict transport security) gets
// it from the next try on, for as long as the Link lives. Each reason is logged as a
// warning once, with its [Cure], until the bot has stayed in the channel for a minute.
//
// # Events
//
// Events come in the server's order. Online opens and Offline closes a stay in
// the channel; everything between them happened during that stay. A lost link, a
// kick and a refused JOIN are all Offline, with the reason and the time to the
// next attempt. While the reader is thousands of events behind the server waits, for
// half a minute: then the link counts as dead. Nothing is left out but words beyond
// that number which are spoken while the members are being listed.
//
// # Sending
//
// Urgent lines go first, then the topic, then chatter. At most four lines, no
// more than two of them chatter (a TOPIC counts as two), are on their way unacknowledged:
// behind them goes a PING,
// and its PONG says that the server has worked them off. So the pace is the
// server's own, whichever it is, and an idle link sends at once. Of several
// topics that wait only the newest is sent, and at most three in 1.2 seconds; one that
// the server refuses for being the second in a second (437) is sent again.
// A line without its PONG when the link ends counts as undelivered: urgent lines
// and the topic are sent again after the next Online (so rarely twice), chatter
// is dropped once it is a minute old. A kept topic is dropped instead if a person
// changed the channel's topic meanwhile.
//
// # girc
//
// This is the only package that imports girc, and it keeps it at arm's length:
// one girc.Client for each link, which reads and writes only what registers the link,
// answers PING or ends it; its handlers, its state, its timers and its limiter are not used,
// and a panic in it ends that link, not the process. Liveness is watched here: a server that
// stays silent for 15 s is sent a PING, and one that leaves a PING unanswered for
// 30 s is given up.
package irc
