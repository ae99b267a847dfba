/*
Pushtrain runs the push train: an IRC bot that keeps the queue in a channel's
topic, and the deploy engine behind it.

	pushtrain run                     the bot, in the foreground
	pushtrain demo                    the whole thing on loopback, to look at
	pushtrain init | check            write a configuration; read it and say all that is wrong with it
	pushtrain doctor                  tries all that a push needs, and says how to mend what is not well
	pushtrain deploy STACK STAGE      a rollout from the shell
	pushtrain rollback STACK STAGE    flips it back
	pushtrain sync STACK STAGE HOST   brings one host up to what its stage serves
	pushtrain abort | hold | unhold
	pushtrain log [TEXT]              shows the deploy log, -f as it grows; or writes into it
	pushtrain status | queue | stats  what the bot knows
	pushtrain simulate                what the waits would be with another cap, load, cycle or lane
	pushtrain reload                  has the bot read its configuration again
	pushtrain restore FILE            takes up the journal from a copy
	pushtrain version | man | completion
	pushtrain host --root ROOT        what the bot starts on a host, or a key's forced command; nobody types it

The verbs of the second half ask the running bot through its socket in the state
directory. With no bot they open the journal themselves, which keeps a bot out
for as long as they run.

# Exit codes

	0    done
	1    failed; the fleet serves what it served before
	2    usage
	3    needs a look: hosts differ
	4    not now: held, busy, not your turn
	69   a tool is missing; a host that is out of reach is a 1
	78   the configuration is wrong
	130  interrupted

# Signals

The first SIGTERM or SIGINT ends the bot: a flip that is under way is finished,
what is before it is left as it was, the next start goes on. A second one kills.
SIGHUP is the same as reload. Under systemd the bot says when it is up, reloads and
stops, and feeds the watchdog from the goroutine that owns its state.

# Files

The configuration is --config, else $PUSHTRAIN_CONFIG, ./config.yaml,
$XDG_CONFIG_HOME/pushtrain/config.yaml or /etc/pushtrain/config.yaml. In state_dir are:

	journal.db      the journal: everything that happened (package bot/store)
	backup/         hot copies of it, one after each rollout
	releases/       per stack: the mirror of its repository, and the last releases
	runs/N.log      the full log of rollout N, of the newest 1000
	pushtrain.sock  where the shell reaches the bot
	irc.sts         where a server that the configuration reaches in plain text wants TLS
	code.key        what the codes of confirm_code are made with

# A tour of the code, bottom up

Package train is the queue and its rules, package deploy what a rollout does
next; both are pure functions of (state, event) and know nothing of each other.
deploy/release makes releases out of commits, deploy/host is what runs on a host,
deploy/fleet reaches hosts by ssh and rsync, deploy/webserver is what web servers
there have to be told. bot/store is the journal, bot/irc
the channel. Package bot ties them: one goroutine applies, commits, then acts and
speaks. bot/web is the page, which shows what the bot publishes; bot/tell passes the
deploy log on to webhooks. This package wires
it all to a configuration.
*/
package main
