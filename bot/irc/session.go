package irc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

const (
	registerLimit = 30 * time.Second // from the open link to 001
	offerLimit    = 5 * time.Second  // for the list of capabilities, which old servers do not have
	greetingLimit = 10 * time.Second // from 001 to the end of the MOTD
	joinLimit     = 30 * time.Second // from JOIN to its answer
	listLimit     = 10 * time.Second // from the names to the end of WHO
	silenceLimit  = 15 * time.Second // without a line before a PING asks
	answerLimit   = 30 * time.Second // from a PING to its PONG
	regainPause   = time.Minute      // between attempts to get the nick
	endLimit      = 5 * time.Second  // for girc to end after its link has

	topicBurst  = 3                       // TOPICs ...
	topicAgain  = time.Second             // after one that came too soon for the server
	topicPeriod = 1200 * time.Millisecond // ... in this time

	inboxLimit = 512 // lines that may wait for the session
)

// phase is how far a session has come.
type phase uint8

const (
	registering phase = iota // until 001
	greeting                 // until 376 or 422
	outside                  // registered, not in the channel: the next JOIN goes at joinAt
	joining                  // JOIN was sent
	listing                  // in the channel, the members are being listed
	online                   // the reader has been told
)

// session is one link from its first byte to its last. All of it is owned by
// the goroutine of Link.Run; girc's goroutines only fill inbox, failed and ended.
type session struct {
	link *Link
	wire *wire

	inbox  chan girc.Event // the server's lines
	failed chan error      // why girc can't be trusted any more; the first only
	ended  chan error      // what girc.Connect returned
	over   chan struct{}   // closed when nobody takes lines any more

	phase    phase
	since    time.Time // of the phase
	heard    time.Time // the last line
	joinAt   time.Time // the next JOIN; zero for none
	regainAt time.Time // the next attempt to get the nick
	joinWait backoff
	window   window
	topics   [topicBurst]time.Time // when the last ones were sent, oldest first

	own       Who
	nickTries int
	shortNick bool     // the server refused the nick as it stood
	offered   []string // capabilities, until all were listed
	asks      bool     // plain text waits for that list, see wire
	caps      map[string]bool
	loggedIn  bool // 900 or 903 was seen
	server    isupport
	roster    roster
	topicLock bool
	unheard   string    // the topic that was sent last; "" when it was seen, or a person's after it
	topicAt   time.Time // no TOPIC before; see topicLater
	found     Topic     // the topic found on joining
	joinedAt  time.Time // server-time of our JOIN; zero when the server has no such clock
	playback  bool      // a bouncer repeats what was said
	held      []Event   // what happened while the members were listed
	goodbye   string    // what the server said in ERROR
}

func newSession(l *Link, conn net.Conn) *session {
	now := time.Now()
	s := &session{
		link:   l,
		inbox:  make(chan girc.Event, inboxLimit),
		failed: make(chan error, 1),
		ended:  make(chan error, 1),
		over:   make(chan struct{}),
		since:  now,
		heard:  now,
		own:    Who{Nick: l.cfg.Nick},
		caps:   make(map[string]bool),
		server: newISupport(),
	}
	s.asks = l.cfg.TLS == nil
	s.wire = &wire{Conn: conn, heard: s.receive, gate: s.asks}
	return s
}

// run talks to the server until the link ends, and returns why it did.
func (s *session) run(ctx context.Context, events chan<- Event) error {
	client, err := s.client()
	if err != nil {
		_ = s.wire.Close()
		return err
	}
	go func() { s.ended <- client.DialerConnect(s.wire) }()
	over, err := s.converse(ctx, events)
	close(s.over)
	_ = s.wire.Close()
	if !over {
		select {
		case <-s.ended:
		case <-time.After(endLimit):
			s.link.cfg.Log.Error().Msg("girc does not end; a new link is opened beside it")
		}
	}
	return err
}

// client returns a girc client that registers this session's link and answers PING on it.
func (s *session) client() (*girc.Client, error) {
	cfg := s.link.cfg
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, err
	}
	config := girc.Config{
		Server:     host,
		ServerPass: cfg.Password,
		Nick:       cfg.Nick,
		User:       cfg.User,
		Name:       cfg.RealName,
		DisableSTS: true, // see offer
		AllowFlood: true, // the window paces
		PingDelay:  -1,   // the session asks
		// girc goes on with its state locked for ever after a panic.
		RecoverFunc: func(_ *girc.Client, e *girc.HandlerError) {
			s.fail(fmt.Errorf("girc panicked on %s: %v", e.Event.Command, e.Panic))
		},
	}
	if cfg.SASL != nil {
		config.SASL = &girc.SASLPlain{User: cfg.SASL.Account, Pass: cfg.SASL.Password}
		if strings.EqualFold(cfg.SASL.Mechanism, "EXTERNAL") {
			config.SASL = &girc.SASLExternal{}
		}
	}
	return girc.New(config), nil
}

// receive takes a line of the server, on girc's reading goroutine. While the session
// has too many already the server waits.
func (s *session) receive(e girc.Event) {
	select {
	case s.inbox <- e:
	case <-s.over:
	}
}

// fail ends the session from one of girc's goroutines.
func (s *session) fail(err error) {
	select {
	case s.failed <- err:
	default: // it ends already
	}
}

// converse is the session's loop. It returns why the link ends, and whether girc
// has ended with it.
func (s *session) converse(ctx context.Context, events chan<- Event) (over bool, err error) {
	for {
		now := time.Now()
		if err := s.advance(now); err != nil {
			return false, err
		}
		out, first := s.link.offer(events)
		inbox := s.inbox
		if len(s.link.pending) >= pendingLimit {
			inbox = nil // the server waits for the reader
		}
		timer := time.NewTimer(s.next(now).Sub(now))
		select {
		case e := <-inbox:
			err = s.handle(e)
		case out <- first:
			s.link.pending = s.link.pending[1:]
		case <-s.link.outbox.wake:
		case <-timer.C:
		case err = <-s.failed:
		case err = <-s.ended:
			return true, s.last(err)
		case <-ctx.Done():
			return s.quit(), nil
		}
		timer.Stop()
		if err != nil {
			return false, err
		}
	}
}

// last handles what came in before the link ended, and returns why it did.
func (s *session) last(ended error) error {
	for {
		select {
		case e := <-s.inbox:
			if err := s.handle(e); err != nil {
				return err
			}
			continue
		case err := <-s.failed:
			return err
		default:
		}
		switch {
		case s.goodbye != "":
			return fmt.Errorf("the server closed the link: %s", s.goodbye)
		case ended != nil:
			return fmt.Errorf("the link ended: %w", ended)
		}
		return errors.New("the link ended")
	}
}

// quit sends what may go now, says goodbye and gives the server a moment to
// close the link. It reports whether girc has ended.
func (s *session) quit() (over bool) {
	if s.advance(time.Now()) != nil || s.wire.send("QUIT :"+clip(clean(s.link.cfg.QuitReason), 300)) != nil {
		return false // the link is dead: nobody hears a goodbye
	}
	for late := time.After(endLimit); ; {
		select {
		case <-s.inbox: // nobody listens any more, but the goodbye may be behind it
		case <-s.ended:
			return true
		case <-s.failed:
			return false
		case <-late:
			return false
		}
	}
}

func (s *session) enter(p phase) {
	s.phase, s.since = p, time.Now()
}

// post reports e: at once, or after Online while the members are being listed. What
// is said meanwhile is lost when it is too much.
func (s *session) post(e Event) {
	switch s.phase {
	case online:
		s.link.pending = append(s.link.pending, e)
	case listing:
		if _, said := e.(Said); !said || len(s.held) < pendingLimit {
			s.held = append(s.held, e)
		}
	}
}
