// Package ircd is a small IRC server for one machine: the demo's server and the
// one that tests of the bot break on purpose.
//
// It speaks the part of RFC 1459 that a channel of people with irssi, WeeChat or
// a bot needs, with IRCv3 server-time, account-tag, account-notify,
// extended-join, multi-prefix, userhost-in-names and SASL PLAIN. It is as strict
// as the strictest real server: a line longer than 512 bytes ends the link, and
// a channel that empties takes its topic and its operators with it.
//
// It does not speak TLS, does not link to other servers, keeps nothing on disk
// and has no operators, no flood protection but Options.Penalty, and no ban
// lists. Bind it to loopback.
//
// One goroutine, [Server]'s loop, owns all state: users, channels, topics. Each
// client has a reader, which hands lines to the loop, and a writer, which empties
// a bounded queue. The loop never waits for a client: one whose queue is full is
// dropped. The caller owes a [Server.Close], which ends every goroutine and waits.
package ircd
