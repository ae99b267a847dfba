package irc

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lrstanley/girc"
	"github.com/rs/zerolog"
)

// Config says which channel of which server, and as whom. Server, Nick and
// Channel are required.
type Config struct {
	Server     string      // host:port
	TLS        *tls.Config // nil: plain text, see Upgrade. ServerName is taken from Server when empty
	Nick       string
	User       string // Nick when empty
	RealName   string // Nick when empty
	Password   string // of the server; none when empty
	SASL       *SASL  // nil: no login. With it a server that skips the login is left
	Channel    string
	ChannelKey string
	QuitReason string // what others see when Run is ended
	Log        zerolog.Logger

	// Upgrade is TLS for a server that is reached in plain text and asks for TLS (IRCv3's
	// strict transport security): the link goes there from then on. nil = as TLS that is empty.
	Upgrade *tls.Config
	// Upgraded is told of that address, so that a later Config can begin with it. It is
	// called by Run and must not wait. nil = nobody is told.
	Upgraded func(server string)
}

// SASL is how the bot logs in.
type SASL struct {
	Mechanism string // PLAIN, or EXTERNAL for the certificate in Config.TLS
	Account   string // for PLAIN
	Password  string // for PLAIN
}

// maxSASLSecret is the longest PLAIN secret that girc v1.1.1 sends unharmed.
const maxSASLSecret = 400

func (c *Config) check() error {
	if _, _, err := net.SplitHostPort(c.Server); err != nil {
		return fmt.Errorf("irc server %q: give it as host:port", c.Server)
	}
	if !girc.IsValidNick(c.Nick) {
		return fmt.Errorf("irc nick %q: not a nick", c.Nick)
	}
	if !girc.IsValidUser(c.User) {
		return fmt.Errorf("irc user %q: not a user name", c.User)
	}
	if !girc.IsValidChannel(c.Channel) || strings.ContainsAny(c.Channel, " ,\r\n") {
		return fmt.Errorf("irc channel %q: not a channel", c.Channel)
	}
	for _, secret := range []string{c.Password, c.ChannelKey} {
		if strings.ContainsAny(secret, " \r\n\x00") {
			return errors.New("irc password and channel key: no blanks or line ends")
		}
	}
	if c.SASL == nil {
		return nil
	}
	switch strings.ToUpper(c.SASL.Mechanism) {
	case "EXTERNAL":
	case "PLAIN":
		plain := 2*len(c.SASL.Account) + len(c.SASL.Password) + 2
		if base64.StdEncoding.EncodedLen(plain) > maxSASLSecret {
			return errors.New("irc sasl: account and password are too long, use a shorter password")
		}
	default:
		return fmt.Errorf("irc sasl mechanism %q: use plain or external", c.SASL.Mechanism)
	}
	return nil
}

// Link is the bot's place in its channel. Make one with New.
type Link struct {
	cfg    Config
	outbox *outbox
	dial   func(context.Context) (net.Conn, error)

	// Owned by Run.
	pending []Event // happened, not yet read
	trouble trouble
	wait    backoff
	seen    string // the channel's topic as the bot last saw it ...
	wrote   string // ... and as it last set it, seen or not
}

// stable is how long a stay in the channel must last to count as success.
const stable = time.Minute

// pendingLimit is how many events may wait for the reader before the server does.
const pendingLimit = 4096

// New returns a link that is not yet open.
func New(cfg Config) *Link {
	if cfg.User == "" {
		cfg.User = cfg.Nick
	}
	if cfg.RealName == "" {
		cfg.RealName = cfg.Nick
	}
	l := &Link{cfg: cfg, outbox: newOutbox()}
	l.dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, l.cfg.Server, l.cfg.TLS) }
	return l
}

// Run keeps the bot in the channel and reports on events until ctx ends; then it
// sends what the server's pace allows at once, quits and returns nil. An error
// is one that no new attempt can mend: a wrong Config.
func (l *Link) Run(ctx context.Context, events chan<- Event) error {
	if err := l.cfg.check(); err != nil {
		return err
	}
	for {
		err := l.attempt(ctx, events)
		if ctx.Err() != nil {
			return nil
		}
		retry := l.wait.next()
		l.trouble.log(l.cfg.Log, err, retry)
		l.pending = append(l.pending, Offline{Err: err, Retry: retry})
		if !l.rest(ctx, events, retry) {
			return nil
		}
	}
}

// attempt is one link, from dial to its end.
func (l *Link) attempt(ctx context.Context, events chan<- Event) error {
	conn, err := l.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", l.cfg.Server, err)
	}
	s := newSession(l, conn)
	err = s.run(ctx, events)
	l.outbox.back(s.window.undelivered()...)
	if s.phase == online && time.Since(s.since) >= stable {
		l.wait.reset()
		l.trouble = trouble{}
	}
	return l.upgrade(err)
}

// upgrade has the next attempt go where the server wants TLS, if that is why err ended this one.
func (l *Link) upgrade(err error) error {
	var sts *WantsTLS
	if !errors.As(err, &sts) || sts.Port == 0 {
		return err
	}
	host, _, splitErr := net.SplitHostPort(l.cfg.Server)
	if splitErr != nil {
		return splitErr // unreachable: check has split it
	}
	l.cfg.Server = net.JoinHostPort(host, strconv.Itoa(sts.Port))
	if l.cfg.TLS = l.cfg.Upgrade; l.cfg.TLS == nil {
		l.cfg.TLS = &tls.Config{}
	}
	if l.cfg.Upgraded != nil {
		l.cfg.Upgraded(l.cfg.Server)
	}
	return err
}

// rest waits for the time to pass and for the reader to have read everything.
// It reports false when ctx ended first.
func (l *Link) rest(ctx context.Context, events chan<- Event, wait time.Duration) bool {
	over := time.After(wait)
	for over != nil || len(l.pending) > 0 {
		out, first := l.offer(events)
		select {
		case <-over:
			over = nil
		case out <- first:
			l.pending = l.pending[1:]
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// offer returns the first unread event and where to send it: nil when there is none.
func (l *Link) offer(events chan<- Event) (chan<- Event, Event) {
	if len(l.pending) == 0 {
		return nil, nil
	}
	return events, l.pending[0]
}

// SetTopic makes text the channel's topic as soon as the server allows. A topic
// that still waits is replaced and never sent. Text beyond TopicLimit is cut.
func (l *Link) SetTopic(text string) {
	l.outbox.put(line{command: "TOPIC", target: l.cfg.Channel, text: clean(text), at: time.Now()})
}

// Say speaks in the channel. Long text becomes several lines, split at blanks.
func (l *Link) Say(p Priority, text string) { l.tell(p, "PRIVMSG", l.cfg.Channel, text) }

// Notice tells one person something. A nick that is none is ignored.
func (l *Link) Notice(p Priority, nick, text string) {
	if isNick(nick) {
		l.tell(p, "NOTICE", nick, text)
	}
}

// Hand is an urgent Notice that Delivered answers with the receipt, which is not 0.
// The text is short enough for one line.
func (l *Link) Hand(nick, text string, receipt int) {
	if isNick(nick) {
		l.outbox.put(line{command: "NOTICE", target: nick, text: clean(text), priority: Urgent, at: time.Now(), receipt: receipt})
	}
}

func isNick(nick string) bool { return nick != "" && !strings.ContainsAny(nick, " ,:#\r\n\x00") }

func (l *Link) tell(p Priority, command, target, text string) {
	if text = clean(text); text != "" {
		l.outbox.put(line{command: command, target: target, text: text, priority: p, at: time.Now()})
	}
}

// Waiting returns how many lines were given and are not on their way yet.
func (l *Link) Waiting() int { return l.outbox.waiting() }
