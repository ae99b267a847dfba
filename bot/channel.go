package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pushtrain/bot/irc"
	"pushtrain/train"
)

// onIRC turns what happened in the channel into events of the train.
func (b *Bot) onIRC(e irc.Event) {
	switch e := e.(type) {
	case irc.Online:
		b.onOnline(e)
	case irc.Offline:
		b.online, b.away, b.read, b.asked = false, e, false, ""
		clear(b.members)
	case irc.Topic:
		b.onTopic(e)
	case irc.Joined:
		b.members[b.fold(e.Who.Nick)] = irc.Member{Who: e.Who}
		if who := b.who(e.Who); b.train.Claims(who, false) {
			b.must(who, train.Heard{})
		}
	case irc.Left:
		delete(b.members, b.fold(e.Who.Nick))
		if who := b.who(e.Who); b.train.Sits(who) {
			b.must(who, train.Parted{})
		} else {
			delete(b.spoke, b.fold(who.Nick))
		}
	case irc.Renamed:
		b.onRenamed(e)
	case irc.Identified:
		b.onIdentified(e)
	case irc.Rights:
		if b.mute && (e.Op || !e.TopicLock) {
			b.mute, b.asked = false, ""
		}
	case irc.Delivered:
		b.must(train.Who{}, train.Handed{N: e.Receipt})
	case irc.Refused:
		b.onRefused(e)
	}
}

func (b *Bot) fold(nick string) string { return b.train.Casemap.Fold(nick) }

// who is a person as the train knows them.
func (b *Bot) who(w irc.Who) train.Who {
	op := slices.ContainsFunc(b.cfg.Ops, func(o string) bool {
		if b.accounts || w.Account != "" || b.train.Identity() == "account" {
			return b.same(o, w.Account)
		}
		return b.same(o, w.Nick)
	})
	return train.Who{Nick: w.Nick, User: w.User, Host: w.Host, Account: w.Account, Op: op}
}

// must applies what can't be refused.
func (b *Bot) must(by train.Who, e train.Event) {
	if err := b.apply(by, e); err != nil {
		b.cfg.Log.Error().Err(err).Str("event", train.TypeName(e)).Msg("an observation was refused")
	}
}

func (b *Bot) onOnline(e irc.Online) {
	b.online, b.nick, b.accounts, b.mute, b.asked = true, e.Nick, e.Accounts, false, ""
	b.backup()
	if b.cfg.Ready != nil {
		b.deeds = append(b.deeds, b.cfg.Ready)
		b.cfg.Ready = nil
	}
	clear(b.members)
	on := train.Online{Casemap: e.Casemap, Accounts: e.Accounts, Limit: irc.TopicLimit(e.TopicLen, e.Prefix, b.cfg.Channel)}
	now := b.train
	now.Casemap, now.Accounts = e.Casemap, e.Accounts
	for _, m := range e.Members {
		b.members[e.Casemap.Fold(m.Nick)] = m
		if who := b.who(m.Who); now.Rides(who) || now.Claims(who, false) {
			on.Riders = append(on.Riders, who)
		}
	}
	b.must(train.Who{}, on)
	b.logPromise()
	for _, who := range on.Riders {
		if b.train.Claims(who, false) {
			b.must(who, train.Heard{})
		}
	}
}

func (b *Bot) onTopic(e irc.Topic) {
	b.read = b.read || e.OnJoin
	nobody := e.By.Nick == "" // servers that link agree on a topic: the one's, which may be old, or none
	switch {
	case (e.OnJoin || nobody) && (!e.Exists || e.Text == ""):
		b.asked = "" // it vanished with the channel: no edit
	case e.OnJoin && (e.Text == b.train.Channel() || b.same(e.By.Nick, b.nick) && !b.restored) || nobody && (slices.Contains(b.train.Own, e.Text) || slices.Contains(b.wrote, e.Text)):
		b.asked = e.Text
		b.must(train.Who{}, train.Shown{Text: e.Text})
	case e.Own:
		b.must(train.Who{}, train.Shown{Text: e.Text})
		if len(e.Text) >= shortestCut && strings.HasPrefix(b.asked, e.Text) && !slices.Contains(b.wrote, e.Text) {
			b.cfg.Log.Warn().Int("bytes", len(e.Text)).Msg("the server cut the topic; writing a shorter one")
			b.must(train.Who{}, train.Online{Casemap: b.train.Casemap, Accounts: b.accounts, Limit: len(e.Text), Still: true})
		} else if len(b.wrote) > 0 && e.Text == b.wrote[len(b.wrote)-1] {
			b.asked = e.Text // nothing newer is under way: a hand edit that said what the queue says may be overwritten
		}
	default:
		b.asked = e.Text
		edit := train.Edited{Text: e.Text, Known: b.nicks(), Away: e.OnJoin || nobody}
		if !edit.Away {
			edit.Here = b.named(e.Text)
		}
		b.must(b.who(e.By), edit)
	}
}

// shortestCut is less than any server's limit for topics, in bytes: a shorter
// echo that does not say what was last asked for is that of an older topic.
const shortestCut = 200

// named are the people in the channel whose nicks may stand in text.
func (b *Bot) named(text string) []train.Who {
	var out []train.Who
	for _, m := range b.members {
		if strings.Contains(b.fold(text), b.fold(m.Nick)) {
			out = append(out, b.who(m.Who))
		}
	}
	slices.SortFunc(out, func(x, y train.Who) int { return strings.Compare(x.Nick, y.Nick) })
	return out
}

func (b *Bot) nicks() []string {
	var out []string
	for _, m := range b.members {
		out = append(out, m.Nick)
	}
	slices.Sort(out)
	return out
}

// heard is when each person in the channel was last heard, for Drive.
func (b *Bot) heard() map[string]time.Time {
	out := map[string]time.Time{}
	for _, t := range b.train.Queue.Trains {
		for _, r := range t.Riders {
			if at, ok := b.spoke[b.fold(r.Nick)]; ok {
				out[b.fold(r.Nick)] = at
			}
		}
	}
	return out
}

// writeTopic hands the queue's text to the chat when the channel shows another one.
func (b *Bot) writeTopic() {
	want := b.train.Topic()
	if !b.read || b.mute || want == b.asked {
		return
	}
	b.asked = want
	b.wrote = append(b.wrote[max(0, len(b.wrote)-127):], want)
	b.chat.SetTopic(want)
}

func (b *Bot) onRenamed(e irc.Renamed) {
	if e.Own {
		b.nick = e.To
	}
	m := b.members[b.fold(e.Who.Nick)]
	delete(b.members, b.fold(e.Who.Nick))
	if at, ok := b.spoke[b.fold(e.Who.Nick)]; ok {
		delete(b.spoke, b.fold(e.Who.Nick))
		b.spoke[b.fold(e.To)] = at
	}
	m.Who = e.Who
	m.Nick = e.To
	b.members[b.fold(e.To)] = m
	if who := b.who(e.Who); b.train.Sits(who) {
		b.must(who, train.Renamed{To: e.To})
	}
}

func (b *Bot) onIdentified(e irc.Identified) {
	m := b.members[b.fold(e.Old.Nick)]
	m.Who = e.New
	b.members[b.fold(e.New.Nick)] = m
	old, who := b.who(e.Old), b.who(e.New)
	if b.train.Sits(old) {
		b.must(old, train.Identified{As: train.Who{Nick: who.Nick, User: who.User, Host: who.Host, Account: who.Account}})
	}
	if b.train.Claims(who, false) {
		b.must(who, train.Heard{})
	}
}

func (b *Bot) onRefused(e irc.Refused) {
	b.cfg.Log.Warn().Str("command", e.Command).Int("code", e.Code).Str("server", train.Visible(e.Text)).Msg("the server refused a line")
	if e.Command == "TOPIC" && e.Code == 482 && !b.mute {
		b.mute = true
		b.channel("topic", fmt.Sprintf("I can't set the topic, I am no op here and the channel is +t: /op %s, or /mode -t. The queue is kept; .queue shows it", b.nick))
	}
}

// onSaid carries out commands.
func (b *Bot) onSaid(e talk) {
	who := b.who(e.From)
	_, here := b.members[b.fold(who.Nick)]
	if here {
		b.hear(who, e.Private)
	}
	for _, w := range e.commands {
		b.command(who, w, e.Private, here)
	}
	if !e.Private {
		if !here {
			who = train.Who{} // nobody who could have a seat
		}
		b.voidCodes(who, e.Text)
	}
}

// logLost writes down, once a minute at most, how many lines were left out.
func (b *Bot) logLost() {
	if b.now().Sub(b.lostAt) < time.Minute {
		return
	}
	if n := b.ear.lost(); n > 0 {
		b.lostAt = b.now()
		b.cfg.Log.Warn().Int("lines", n).Msg("people say too much; lines were left out")
	}
}

// hear takes note that a person is there.
func (b *Bot) hear(who train.Who, private bool) {
	b.spoke[b.fold(who.Nick)] = b.clock().Round(0)
	if !private && (b.train.Claims(who, true) || b.train.Wakes(who, b.now())) {
		b.must(who, train.Heard{Spoke: true})
	}
}

// command carries out one command of a person. Who is not here can only ask: the
// server would not tell of their new nick, or that they left.
func (b *Bot) command(who train.Who, w []word, private, here bool) {
	c, ok := b.find(w[0].text)
	if !ok {
		b.hint(who, w[0].text, private)
		return
	}
	args := w[1:]
	switch {
	case c.rollout && private:
		b.refuse(who, c, nil, &train.Refusal{Code: "private", Text: fmt.Sprintf("%s%s starts or stops a rollout: say it in the channel", b.cfg.Prefix, c.Name)})
	case c.answer != nil:
		for _, line := range c.answer(b, who, args) {
			b.answer(who.Nick, plain, line)
		}
	case !here:
		b.refuse(who, c, nil, &train.Refusal{Code: "not here", Text: fmt.Sprintf("I know people only while they are in %s: come in, then say %s%s", b.cfg.Channel, b.cfg.Prefix, c.Name)})
	default:
		code, args := b.codeIn(args)
		event, err := c.parse(b, args)
		if err == nil {
			event = withCode(event, code)
			err = b.try(who, event)
		}
		if err != nil {
			b.refuse(who, c, event, err)
		}
	}
}

// refuse tells somebody why not, and the journal that they asked.
func (b *Bot) refuse(who train.Who, c Command, e train.Event, err error) {
	b.noteRefusal(who, c.Name, e, err)
	b.answer(who.Nick, refused, err.Error())
}

// would says why e would be refused now; nothing comes of it.
func (b *Bot) would(who train.Who, e train.Event) error {
	if r, ok := e.(train.Rollback); ok {
		if err := b.wayBack(who, r); err != nil {
			return err
		}
	}
	if b.full && !allowedWhenFull(who, e) {
		return errFull
	}
	_, _, err := b.train.Apply(train.Input{At: b.now(), By: who, Event: e})
	return err
}

// try applies what a person asks for.
func (b *Bot) try(who train.Who, e train.Event) error {
	if r, ok := e.(train.Rollback); ok {
		if err := b.wayBack(who, r); err != nil {
			return err
		}
	}
	return b.apply(who, e)
}

// hint answers a near miss, once an hour a person and word.
func (b *Bot) hint(who train.Who, name string, private bool) {
	c := b.near(name)
	if c == "" && !private {
		return // chat, or another bot's command
	}
	text := fmt.Sprintf("did you mean %s%s?", b.cfg.Prefix, c)
	if c == "" {
		text = fmt.Sprintf("I don't know %q: .help lists what I do", name)
	}
	key := b.fold(who.Nick) + " " + strings.ToLower(name)
	if at, ok := b.hinted[key]; ok && b.now().Sub(at) < time.Hour {
		return
	}
	if len(b.hinted) > 1000 {
		clear(b.hinted)
	}
	b.hinted[key] = b.now()
	b.answer(who.Nick, plain, text)
}
