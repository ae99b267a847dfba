package irc

import (
	"time"

	"pushtrain/train"
)

// Event is one thing that happened on IRC: one of the types of this file.
type Event interface{ event() }

// Who is a person as the server shows them. User and Host are "" when the
// server has not shown them, Account when they are not logged in or the server
// does not tell.
type Who struct{ Nick, User, Host, Account string }

// Member is a person in the channel.
type Member struct {
	Who
	Op bool // may set the topic under +t: operator, half operator or higher
}

// Online: the bot is in the channel. What happened while the server listed the
// members follows as events of its own, so a Joined may name one of them.
type Online struct {
	Nick      string // the bot's own; not the configured one while that is taken
	Prefix    string // nick!user@host of the bot as others see it; see TopicLimit
	Casemap   train.Casemap
	TopicLen  int  // bytes; 0 when the server did not say
	Accounts  bool // the server tells everybody's account, so Account "" means logged out
	Op        bool // the bot may set the topic under +t
	TopicLock bool // the channel is +t
	Members   []Member
}

// Offline: the bot is not in the channel and tries again after Retry.
type Offline struct {
	Err   error
	Retry time.Duration
}

// Topic is the channel's topic: as it stood when the bot joined, or as it was
// just set. An Online is followed by exactly one Topic with OnJoin.
type Topic struct {
	Text   string
	By     Who  // who set it; after a join only the Nick. Zero = it is unknown, or servers agreed on it
	Own    bool // set by this very connection
	OnJoin bool // found there, not set now
	Exists bool // false: the channel has none, for example because it was empty
}

// Said is a line that a person spoke in the channel, or to the bot alone.
// Notices, CTCP (actions too), replayed history, other channels, other bots' lines
// and the bot's own are never Said.
type Said struct {
	From    Who
	Private bool
	Text    string
}

// Joined: a person entered the channel.
type Joined struct{ Who Who }

// How is a way out of the channel.
type How uint8

// The ways out.
const (
	Parted How = iota
	Quit
	Kicked
)

// Left: a person is no longer in the channel.
type Left struct {
	Who    Who
	How    How
	Reason string
}

// Renamed: a person, or the bot itself, has another nick.
type Renamed struct {
	Who Who // as they were
	To  string
	Own bool
}

// Identified: the account, user or host of a member changed.
type Identified struct{ Old, New Who }

// Rights: what the bot may do in the channel changed.
type Rights struct{ Op, TopicLock bool } // as in Online

// Delivered: the server has worked off the line that Link.Hand gave the receipt.
// Whoever had the nick there then has it: had they left or changed nicks before, it
// would have been told before. Another server of the network may be late to tell.
type Delivered struct{ Receipt int }

// Refused: the server did not do what a line of the bot asked.
type Refused struct {
	Command string // TOPIC, PRIVMSG, NOTICE; "" when the numeric does not tell
	Code    int    // 482: not an operator; 404: may not speak; 442: not in the channel; 401: no such nick
	Text    string // the server's words
}

func (Online) event()     {}
func (Offline) event()    {}
func (Topic) event()      {}
func (Said) event()       {}
func (Joined) event()     {}
func (Left) event()       {}
func (Renamed) event()    {}
func (Identified) event() {}
func (Rights) event()     {}
func (Delivered) event()  {}
func (Refused) event()    {}
