package bot

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"pushtrain/train"
)

// Person is somebody whom the page knows, by its own login or by a proxy's.
type Person struct {
	User    string // the name that they logged in with
	Nick    string // who they are in the channel
	Account string // and the account that they have there
}

// Press does for p what they would by saying text, a command without its prefix,
// in the channel, and by the same rules: p has to be there. It returns why that was
// refused, "" when it was not. The channel hears what is done and who pressed it, the
// journal keeps the name of the login too. An error says that the bot ended, or ctx did.
// Any goroutine may call it while Run runs.
func (b *Bot) Press(ctx context.Context, p Person, text string) (refusal string, err error) {
	return call(ctx, b, func(answer chan<- string) {
		refusal := ""
		if err := b.press(p, text); err != nil {
			refusal = err.Error()
		}
		b.deeds = append(b.deeds, func() { answer <- refusal }) // when it is on disk
	})
}

func (b *Bot) press(p Person, text string) error {
	w := words(text)
	if len(w) == 0 {
		return &usageError{"nothing was pressed"}
	}
	c, ok := b.find(w[0].text)
	if !ok || c.parse == nil {
		return &usageError{fmt.Sprintf("%s is no button", w[0].text)}
	}
	who, err := b.inChannel(p)
	if err != nil {
		b.noteRefusal(train.Who{Nick: p.Nick, Account: p.Account, Web: p.User}, c.Name, nil, err)
		return err
	}
	b.hear(who, false)
	event, err := c.parse(b, w[1:])
	if err == nil {
		err = b.would(who, event)
	}
	if err == nil {
		b.channel("", fmt.Sprintf("%s says on the page: %s%s", quietly(who.Nick), b.cfg.Prefix, text))
		err = b.try(who, event)
	}
	if err != nil {
		b.noteRefusal(who, c.Name, event, err)
	}
	return err
}

// inChannel is p as the channel knows them: by the account where that is what
// proves a person, else by the nick, for which the configuration vouches. Whoever is
// not there can't press: they would not hear what becomes of it, and no seat would be theirs.
func (b *Bot) inChannel(p Person) (train.Who, error) {
	if !b.online {
		return train.Who{}, &train.Refusal{Code: "not here", Text: fmt.Sprintf("the bot is not in %s just now: the page speaks for people there; `pushtrain` in the shell does without", b.cfg.Channel)}
	}
	byAccount := b.train.Identity() == "account"
	var found []train.Who
	for _, m := range b.members {
		if byAccount && m.Account != "" && b.same(m.Account, p.Account) || !byAccount && b.same(m.Nick, p.Nick) {
			found = append(found, b.who(m.Who))
		}
	}
	if len(found) == 0 && byAccount {
		return train.Who{}, &train.Refusal{Code: "not here", Text: fmt.Sprintf("nobody in %s is logged in as %s: come in first, the page speaks for people who are there", b.cfg.Channel, p.Account)}
	}
	if len(found) == 0 {
		return train.Who{}, &train.Refusal{Code: "not here", Text: fmt.Sprintf("%s is not in %s: come in first, the page speaks for people who are there", p.Nick, b.cfg.Channel)}
	}
	rank := func(w train.Who) int { // of somebody with two clients, the one who rides counts, then the usual nick
		switch {
		case b.train.Rides(w):
			return 0
		case b.same(w.Nick, p.Nick):
			return 1
		}
		return 2
	}
	who := slices.MinFunc(found, func(x, y train.Who) int { return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Nick, y.Nick)) })
	who.Web = p.User
	return who, nil
}
