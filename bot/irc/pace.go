package irc

import (
	"errors"
	"time"
)

// advance does what is due at now: gives up what took too long, joins, asks for
// the nick, sends what waits and asks whether the server is still there.
func (s *session) advance(now time.Time) error {
	switch {
	case s.phase == registering && !now.Before(s.since.Add(registerLimit)):
		return errors.New("the server did not accept the bot within 30 s")
	case !s.window.asked.IsZero() && !now.Before(s.window.asked.Add(answerLimit)):
		return errors.New("the server does not answer")
	case s.asks && !now.Before(s.since.Add(offerLimit)):
		return s.heardOffer()
	case s.phase == registering:
		return nil
	}
	if !s.joinAt.IsZero() && !now.Before(s.joinAt) {
		if err := s.join(now); err != nil {
			return err
		}
	}
	if s.phase == listing && !now.Before(s.since.Add(listLimit)) {
		s.listed()
	}
	if s.wantsNick() && !now.Before(s.regainAt) {
		s.regainAt = now.Add(regainPause)
		if err := s.wire.send("NICK " + s.link.cfg.Nick); err != nil {
			return err
		}
	}
	if s.phase == online {
		if err := s.pump(now); err != nil {
			return err
		}
	}
	if s.window.due() || s.window.asked.IsZero() && !now.Before(s.heard.Add(silenceLimit)) {
		return s.wire.send("PING :" + s.window.ask(now))
	}
	return nil
}

// next returns when advance has something to do even if nothing happens.
func (s *session) next(now time.Time) time.Time {
	if s.asks {
		return s.since.Add(offerLimit)
	}
	if s.phase == registering {
		return s.since.Add(registerLimit)
	}
	at := s.heard.Add(silenceLimit)
	if !s.window.asked.IsZero() {
		at = s.window.asked.Add(answerLimit)
	}
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if !s.joinAt.IsZero() {
		sooner(s.joinAt)
	}
	if s.phase == listing {
		sooner(s.since.Add(listLimit))
	}
	if s.wantsNick() {
		sooner(s.regainAt)
	}
	if s.window.rest.After(now) && s.link.outbox.waiting() > 0 {
		sooner(s.window.rest)
	}
	if due := s.topicDue(); s.phase == online && due.After(now) && s.link.outbox.waitsForTopic() {
		sooner(due)
	}
	return at
}

// pump sends what waits as far as the window has room.
func (s *session) pump(now time.Time) error {
	if n := s.link.outbox.lost(); n > 0 {
		s.link.cfg.Log.Warn().Int("lines", n).Msg("too much to say; the oldest lines were dropped")
	}
	for {
		room, others := s.window.room()
		l, ok := s.link.outbox.take(now, room, others, !s.topicDue().After(now), !s.window.rest.After(now))
		if !ok {
			return nil
		}
		l, rest := s.fit(l)
		if rest.text != "" {
			s.link.outbox.back(rest)
		}
		if l.command == "TOPIC" {
			copy(s.topics[:], s.topics[1:])
			s.topics[topicBurst-1] = now
			s.link.wrote, s.unheard = l.text, l.text
		}
		s.window.add(l) // before the write: a line that may have arrived is not yet delivered
		if err := s.wire.send(l.command + " " + l.target + " :" + l.text); err != nil {
			return err
		}
	}
}

// fit cuts l to what others see of one line; rest is what another line must
// carry, nothing for a topic.
func (s *session) fit(l line) (head, rest line) {
	if l.command == "TOPIC" {
		l.text = clip(l.text, TopicLimit(s.server.topicLen, s.prefix(), l.target))
		return l, line{}
	}
	rest = l
	l.text, rest.text = cut(l.text, textLimit(s.prefix(), l.command, l.target))
	return l, rest
}

// topicDue returns when the next TOPIC may go.
func (s *session) topicDue() time.Time {
	due := s.topics[0].Add(topicPeriod)
	if slow := s.topics[topicBurst-2].Add(2 * s.window.pause); slow.After(due) {
		due = slow
	}
	if s.topicAt.After(due) {
		return s.topicAt
	}
	return due
}

// topicLater sends the topic once more that the server of a network refused,
// because the channel had got another one in the same second. One that a person has
// set since is left to the reader.
func (s *session) topicLater() {
	if s.unheard == "" {
		return
	}
	s.topicAt = time.Now().Add(topicAgain)
	s.link.outbox.back(line{command: "TOPIC", target: s.link.cfg.Channel, text: s.unheard})
}

// prefix is the bot as others see it, "" while it has not seen itself.
func (s *session) prefix() string {
	if s.own.Host == "" {
		return ""
	}
	return s.own.Nick + "!" + s.own.User + "@" + s.own.Host
}
