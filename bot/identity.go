package bot

import (
	"fmt"

	"pushtrain/train"
)

// promise says what proves here who a person is, and what that is worth.
func (b *Bot) promise() string {
	text := b.known()
	if b.train.Coded() {
		text += "; so a rollout, and the wheel from hand to hand, need the code that I send with each seat"
	}
	return text
}

// known is promise without what codes add to it.
func (b *Bot) known() string {
	switch b.train.Identity() {
	case "account":
		if b.online && !b.accounts {
			return "their services account, and this server tells none: nobody can start a rollout"
		}
		return "their services account: who has none can queue, but starts no rollout and loses their seats on leaving"
	case "nick":
		return "nick alone: followed while they stay, but whoever comes with the nick of a rider who left is taken for that rider"
	}
	text := "nick and user@host, as seen at .join: followed while they stay, but whoever comes back with both is taken for the same person"
	if b.online && !b.accounts {
		text += "; this server tells no accounts, so ops are known by nick alone"
	}
	return text
}

// logPromise logs it, once for as long as it holds.
func (b *Bot) logPromise() {
	if p := b.promise(); p != b.promised {
		b.promised = p
		b.cfg.Log.Info().Str("identity", b.train.Identity()).Msg("people are known by " + p)
	}
}

// answerVersion says what runs here and what it can promise about who is who.
func answerVersion(b *Bot, _ train.Who, _ []word) []string {
	return []string{fmt.Sprintf("pushtrain %s; I know people by %s", b.cfg.Version, b.promise())}
}
