// Package bot runs the push train in one channel: it ties the rules of the queue
// (package train), the rollouts (package deploy), the journal (bot/store), the
// channel (bot/irc) and the hosts (deploy/fleet) together.
//
// One goroutine, that of [Bot.Run], owns all state. Whatever happens, a line in the
// channel, the answer of a host, a request of the shell, comes to it through an inbox,
// what people say through an ear that takes in no more of it than is good for the
// others, and it does with each the same:
//
//	apply    to the pure cores; what they say is to be done and told is only noted
//	commit   records and snapshots to the journal, one transaction for all that waited together
//	act      start the effects of rollouts, each on a goroutine of its own that answers into the inbox
//	speak    write the topic when it changed; answer people, in few lines when they are many
//	show     publish a [View], plain data that never changes, to whoever looks
//
// So nothing is done or said before what caused it is on disk, and a restart finds
// the queue, the marks and the rollouts as they were. A rollout that a crash has cut
// off is resumed: before its COMMIT it is aborted, after it it is finished.
//
// The bot knows no sockets and no ssh: it speaks through a [Chat] and deploys
// through a [Deployer]. The shell without a bot is this same Bot with a Chat that
// says nothing.
//
// It does not know configuration files, signals or terminals; cmd/pushtrain does.
package bot
