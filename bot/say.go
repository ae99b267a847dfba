package bot

// Every sentence that the bot says of itself, and the rules of its voice:
//
//   - one line for one change of state; what the topic shows already is not said again;
//   - the channel hears what more than one person needs; the rest is a NOTICE to the one who asked;
//   - a nick stands in a channel line only when that person must look, else its ping is broken;
//   - no capital for stacks, stages, hosts; no colour; numbers with their unit;
//   - what failed is named with host, step and reason, and with what to do.

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pushtrain/train"
)

// tell says of an effect what people need to hear.
func (b *Bot) tell(by train.Who, e train.Effect) {
	switch e := e.(type) {
	case train.Boarded:
		if e.Place > 0 || e.Size == 1 || e.Shut { // else the channel hears who is up
			b.answer(by.Nick, boarded, b.boardedText(e))
		}
	case train.Hotfixed:
		b.tellHotfix(e)
	case train.Closing:
		b.tellClosing(e)
	case train.Asked:
		b.channel("", fmt.Sprintf("%s: %s asks for %s of %s: .confirm by one of you starts it", b.pings(e.Riders), b.distinctly(e.By), e.Stage, e.Releases()))
	case train.AskVoid:
		text := fmt.Sprintf("%s: what was to be confirmed has changed: .%s asks again", b.ping(e.Driver), e.Stage)
		if e.By != "" {
			text = fmt.Sprintf("%s called %s off before it was confirmed", quietly(e.By), e.Stage)
		}
		b.channel("", text)
	case train.Confirmed:
		b.channel("", fmt.Sprintf("%s confirmed %s for %s", b.distinctly(e.By), e.Stage, quietly(e.For)))
	case train.Up:
		b.tellUp(by, e)
		if !e.Again {
			b.fetchBrings(e)
		}
	case train.EveryoneReady:
		do := ".done when you have watched long enough"
		if e.Next != "" {
			do = "." + e.Next + " is next"
		}
		b.channel(readyKey(e.Train), fmt.Sprintf("%s: Everyone is ready (%s)", b.pings(sitting(e.Riders)), do))
	case train.Trouble:
		to := b.ping(e.Driver) + ": "
		if e.Driver == e.Nick {
			to = ""
		}
		b.channel("uhoh "+e.Nick, fmt.Sprintf("%s%s says uh-oh: nothing moves until it is cleared", to, quietly(e.Nick)))
	case train.Departed:
		b.tellDeparted(by, e)
	case train.Wheel:
		text := fmt.Sprintf("%s: you drive now", b.ping(e.Driver))
		if twin := b.twin(e.Driver); twin != "" {
			text += "; " + twin
		}
		if e.Because != "" {
			text += " (" + strings.ReplaceAll(e.Because, e.Was, quietly(e.Was)) + ")"
		}
		b.channel(fmt.Sprintf("wheel %d", e.Train), text)
	case train.Marker:
		switch {
		case e.Proves:
			b.channel(fmt.Sprintf("marker %d", e.Train), fmt.Sprintf("%s says that %s is done", quietly(e.By), e.Stage))
		case e.For != "":
			b.channel(fmt.Sprintf("marker %d", e.Train), fmt.Sprintf("%s moved the marker of %s's train to %s; that proves nothing", quietly(e.By), quietly(e.For), e.Stage))
		default:
			b.answer(by.Nick, plain, fmt.Sprintf("the marker says %s now; that proves nothing: .%s rolls out", e.Stage, e.Stage))
		}
	case train.Over:
		if e.For != "" {
			b.channel("", fmt.Sprintf("%s ended the train of %s", quietly(e.By), quietly(e.For)))
		}
		if len(e.NotGood) > 0 {
			b.answer(by.Nick, plain, "done, though not everyone was good: "+strings.Join(e.NotGood, ", "))
		}
	case train.Held:
		b.talk("", fmt.Sprintf("%s held by %s%s", lane(e.Hold.Stack), quietly(e.Hold.By), because(e.Hold.Why)))
	case train.Lifted:
		to := b.pings(slices.DeleteFunc(slices.Clone(e.Freed), func(n string) bool { return b.same(n, e.By) }))
		if to != "" {
			to += ": "
		}
		b.talk("", fmt.Sprintf("%s%s free again: %s lifted the hold", to, lane(e.Hold.Stack), quietly(e.By)))
	case train.Noted:
		b.tellNoted(e)
	case train.Nudge:
		b.tellNudge(e)
	case train.Hushed:
		text := "you are named without being pinged now; .quiet off changes that"
		if !e.On {
			text = "you are pinged again"
		}
		b.answer(e.Nick, plain, text)
	case train.Overruled:
		b.channel("", fmt.Sprintf("%s did that as an op: %s", quietly(e.By), e.What))
	case train.Logged:
		b.talk("", fmt.Sprintf("%s says: %s", quietly(e.By), e.Text))
	case train.PutBack:
		b.answer(e.By, plain, "put back: "+strings.Join(e.Whys, "; "))
	case train.Unread:
		b.tellUnread(e)
	case train.Arrived:
		b.tellArrived(e)
	case train.Landed:
		b.tellLanded(e)
	}
}

// deafText is for who says more than is read of them.
func (b *Bot) deafText() string {
	return fmt.Sprintf("that is too much at once: until you pause I read one command of yours in %.0f s; %sabort, %[2]srollback, %[2]shold and %[2]suhoh I read always",
		asksLimit.again.Seconds(), b.cfg.Prefix)
}

func (b *Bot) boardedText(e train.Boarded) string {
	stack := ""
	if e.Stack != b.train.Rules.Default() {
		stack = " (" + e.Stack + ")"
	}
	if e.Shut {
		return fmt.Sprintf("you ride in train %d%s, rider %d; %s; `%shotfix \"why\"` goes now", e.Place+1, stack, e.Size, b.train.Shut(), b.cfg.Prefix)
	}
	if e.Place == 0 {
		held := ""
		if e.Held != "" {
			held = "; but " + e.Held
		}
		return fmt.Sprintf("you're up%s: rider %d of the head train%s", stack, e.Size, held)
	}
	return fmt.Sprintf("you ride in train %d%s, rider %d; %s", e.Place+1, stack, e.Size, b.waitText(e.Stack, e.Place))
}

// tellHotfix tells those who have to wait for it, and all others without a ping.
func (b *Bot) tellHotfix(e train.Hotfixed) {
	text := fmt.Sprintf("%s goes next with a hotfix of %s: %s", quietly(e.Nick), e.Stack, e.Why)
	if len(e.Passed) > 0 {
		text = fmt.Sprintf("%s: %s; you are told again when you're up", b.pings(e.Passed), text)
	}
	b.talk("hotfix "+e.Nick, text)
	i := slices.IndexFunc(b.train.Queue.Trains, func(t train.Train) bool { return t.ID == e.Train })
	next := b.cfg.Prefix + b.train.Next(b.train.Queue.Trains[i])
	switch {
	case e.Behind != "":
		text = fmt.Sprintf("you go next, behind %s: their .done, or an op's, lets you go; then %s rolls out", e.Behind, next)
	case e.Held != "":
		text = "you're up; but " + e.Held
	default:
		text = fmt.Sprintf("you're up: %s rolls out", next)
	}
	b.answer(e.Nick, plain, text)
}

func (b *Bot) tellClosing(e train.Closing) {
	if len(e.Riders) > 0 {
		b.channel("hours", fmt.Sprintf("%s: %s, and your train with them; `%shotfix \"why\"` goes now", b.pings(e.Riders), b.train.Shut(), b.cfg.Prefix))
	}
}

func upKey(train int) string    { return fmt.Sprintf("up %d", train) }
func readyKey(train int) string { return fmt.Sprintf("ready %d", train) }

func (b *Bot) tellUp(by train.Who, e train.Up) {
	held := ""
	if e.Held != "" {
		held = ", but " + b.hush(e.Held)
	}
	if len(e.Riders) == 1 && b.same(e.Riders[0].Nick, by.Nick) {
		return // the answer to .join said it
	}
	key := upKey(e.Train)
	untold := slices.ContainsFunc(b.outbox.lines, func(l line) bool { return l.Key == key }) // the others do not know yet
	names := each(sitting(e.Riders), func(nick string) string {
		if untold || slices.Contains(e.Fresh, nick) {
			return b.ping(nick)
		}
		return quietly(nick)
	})
	b.talk(key, fmt.Sprintf("%s: You're up%s", names, held))
}

func (b *Bot) tellDeparted(by train.Who, e train.Departed) {
	if e.By != "" {
		b.talk("", fmt.Sprintf("%s: %s took you out of the queue", b.ping(e.Nick), quietly(e.By)))
		return
	}
	b.answer(by.Nick, plain, fmt.Sprintf("you are out of %s", plural(e.Seats, "train")))
}

func (b *Bot) tellNoted(e train.Noted) {
	if e.Text == "" {
		b.answer(e.By, plain, "the message is removed")
	}
}

func (b *Bot) tellNudge(e train.Nudge) {
	quiet, to := about(e.Quiet), b.pings(e.Pings)
	switch {
	case e.Step == 3 && len(e.Riders) > 0:
		b.channel("", fmt.Sprintf("%s: nothing has moved for %s: any of you may take the wheel with .drive", each(e.Riders, quietly), quiet))
	case len(e.Pings) == 0:
	case e.Step == 1 && len(e.Votes) > 0:
		b.channel("", fmt.Sprintf("%s: the train of %s has waited for you to say .good for %s", to, quietly(e.Driver), quiet))
	case e.Step == 2 && len(e.Votes) > 0:
		b.channel("", fmt.Sprintf("%s: you drive, and nothing has moved for %s: no .good yet from %s", to, quiet, each(e.Votes, quietly)))
	case e.Step == 1:
		b.channel("", fmt.Sprintf("%s: you drive, and nothing has moved for %s", to, quiet))
	default:
		b.channel("", fmt.Sprintf("%s: your train has not moved for %s; %s drives", to, quiet, quietly(e.Driver)))
	}
}

func (b *Bot) tellUnread(e train.Unread) {
	what := "`" + strings.Join(e.Texts, "`, `") + "`"
	if e.Kept {
		b.answer(e.By, plain, fmt.Sprintf("I see no train in %s: the text stays, and so does the queue; `clear` empties it", what))
		return
	}
	b.answer(e.By, plain, fmt.Sprintf("I can't read %s as a train: it stays where it stands; riders are written `alice + bob | carol`", what))
}

func (b *Bot) tellArrived(e train.Arrived) {
	b.channel(upKey(e.Train), "") // what still waits is past
	b.channel(readyKey(e.Train), "")
	next := "watch graphs and logs, then .good; .done ends the train"
	if e.Next != "" {
		next = "try your change, then .good; ." + e.Next + " is next"
	}
	is := "is"
	if len(e.Stacks) > 1 {
		is = "are"
	}
	b.channel("", fmt.Sprintf("%s: %s %s on %s: %s", b.pings(sitting(e.Riders)), strings.Join(e.Stacks, " and "), is, e.Stage, next))
}

func (b *Bot) tellLanded(e train.Landed) {
	b.channel(phaseKey(e.Stack, e.Stage), "") // one that still waits would come behind the outcome
	at := e.Stack + "/" + e.Stage
	if e.Host != "" {
		at = e.Host + " of " + at
	}
	took := about(b.now().Sub(e.Began))
	switch {
	case e.Outcome == train.OutDone && e.Reason != "":
		b.channel("", fmt.Sprintf("%s: %s serves %s, in %s, but not everywhere; %s", b.ping(e.Driver), at, e.Shipment.Release, took, e.Reason))
	case e.Outcome == train.OutDone && e.Back:
		b.channel("", fmt.Sprintf("%s is back on %s (%s)", at, e.Shipment.Release, took))
	case e.Outcome == train.OutDone:
		b.channel("", fmt.Sprintf("%s serves %s, in %s", at, e.Shipment.Release, took))
	case e.Outcome == train.OutAborted && e.Back:
		b.channel("", fmt.Sprintf("%s: %s did not go back, nothing live was touched: %s", b.ping(e.Driver), at, wayOn(e.Reason, "; ")))
	case e.Outcome == train.OutAborted:
		b.channel("", fmt.Sprintf("%s: %s stopped, nothing live was touched: %s", b.ping(e.Driver), at, e.Reason))
	case e.Outcome == train.OutRolledBack:
		b.channel("", fmt.Sprintf("%s: %s was flipped back, it serves what it served before: %s", b.ping(e.Driver), at, e.Reason))
	case e.Back:
		b.channel("", fmt.Sprintf("%s: the way back of %s is STUCK, its hosts differ: %s. `.rollback %s` tries again", b.ping(e.Driver), at, e.Reason, e.Stack))
	default:
		b.channel("", fmt.Sprintf("%s: %s is STUCK, its hosts differ: %s. `.rollback %s` goes back, `.%s` goes on", b.ping(e.Driver), at, e.Reason, e.Stack, e.Stage))
	}
}

// wayOn is why a rollback did not begin and, where one host kept it from that, behind sep how it may still be made.
func wayOn(reason, sep string) string {
	if !strings.HasPrefix(reason, "host ") {
		return reason
	}
	return reason + sep + "a host that can't be reached is in the way until it is out of the configuration: `pushtrain reload --remove HOST`, then again"
}

func lane(stack string) string {
	if stack == "" {
		return "the line is"
	}
	return stack + " is"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// ping is a nick so that its owner's client rings, unless they asked for quiet.
func (b *Bot) ping(nick string) string {
	for _, q := range b.train.Quiet {
		if q == b.train.Casemap.Fold(nick) {
			return quietly(nick)
		}
	}
	return train.Visible(nick)
}

// distinctly is nick, quietly, and whom they look like and are not.
func (b *Bot) distinctly(nick string) string {
	if twin := b.twin(nick); twin != "" {
		return quietly(nick) + " (" + twin + ")"
	}
	return quietly(nick)
}

// twin says how a nick is told from that of a rider, or of somebody in the channel, which looks like it; "" = none does.
func (b *Bot) twin(nick string) string { return b.twins()(nick) }

// twins is twin, for many nicks.
func (b *Bot) twins() func(nick string) string {
	alike := map[string][]string{} // nicks by shape
	for _, t := range b.train.Queue.Trains {
		for _, r := range t.Riders {
			alike[train.Shape(r.Nick)] = append(alike[train.Shape(r.Nick)], r.Nick)
		}
	}
	for _, nick := range b.nicks() {
		alike[train.Shape(nick)] = append(alike[train.Shape(nick)], nick)
	}
	return func(nick string) string {
		for _, other := range alike[train.Shape(nick)] {
			if !b.same(nick, other) {
				return fmt.Sprintf("%s is not %s", spelled(nick), spelled(other))
			}
		}
		return ""
	}
}

// spelled is a nick in which no letter looks like another: what is not ASCII by its number.
func spelled(nick string) string {
	var b strings.Builder
	for _, r := range train.Visible(nick) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
	}
	return b.String()
}

// pingBreak is a zero-width space.
const pingBreak = "\u200b"

// quietly is a nick that rings no client: a zero-width space stands behind its first letter.
func quietly(nick string) string {
	nick = train.Visible(nick)
	_, first := utf8.DecodeRuneInString(nick)
	if first == len(nick) {
		return nick
	}
	return nick[:first] + pingBreak + nick[first:]
}

// hush breaks the pings of those who hold the line in a sentence about it.
func (b *Bot) hush(text string) string {
	for _, h := range b.train.Queue.Holds {
		text = strings.ReplaceAll(text, " by "+h.By+" ", " by "+quietly(h.By)+" ")
	}
	return text
}

// each lists people, each of them named as how says.
func each(nicks []string, how func(nick string) string) string {
	var out []string
	for _, n := range nicks {
		out = append(out, how(n))
	}
	return strings.Join(out, ", ")
}

func (b *Bot) pings(nicks []string) string { return each(nicks, b.ping) }

func sitting(seats []train.Seat) (nicks []string) {
	for _, s := range seats {
		nicks = append(nicks, s.Nick)
	}
	return nicks
}

// about writes a duration as people say it.
func about(d time.Duration) string {
	switch {
	case d >= time.Millisecond && d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 90*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 90*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
