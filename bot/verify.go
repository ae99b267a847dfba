package bot

import (
	"errors"
	"fmt"

	"pushtrain/bot/store"
)

// askVerify follows the journal's links from end to end, beside the bot's other
// work, and holds it against what the hosts were told of it at their flips.
func (b *Bot) askVerify(a *ask) {
	var all []*seen
	for _, t := range b.targets() {
		all = append(all, &seen{Target: t})
	}
	b.deeds = append(b.deeds, func() {
		b.with(func(c *crew) {
			b.askHosts(c, look{}, all)
			var kept []store.Head
			var lines []string
			for _, t := range all {
				for _, h := range t.hosts {
					head, ours := b.store.ReadWitness(h.Witness)
					switch {
					case h.Err != nil:
						lines = append(lines, fmt.Sprintf("%s: %s can't be asked what it was told: %s", t, h.Name, h.Err))
					case ours:
						kept = append(kept, head)
					case h.Witness != "":
						lines = append(lines, fmt.Sprintf("%s: %s was told of another journal than this one", t, h.Name))
					}
				}
			}
			n, err := b.store.Verify(b.ctx, kept...)
			var bad *store.Tampered
			switch {
			case errors.As(err, &bad):
				a.end(ExitLook, map[string]any{"records": n, "bad": bad.Seq}, append([]string{err.Error()}, lines...)...)
			case err != nil:
				a.end(ExitFailed, nil, err.Error())
			default:
				a.end(ExitDone, map[string]any{"records": n, "witnesses": len(kept)},
					append([]string{fmt.Sprintf("%d records, each as it was written; asked for what they were told: %s", n, plural(len(kept), "host"))}, lines...)...)
			}
		})
	})
}
