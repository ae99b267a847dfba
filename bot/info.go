package bot

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// answerTopic writes the bot's own topic again.
func answerTopic(b *Bot, who train.Who, _ []word) []string {
	switch {
	case b.mute:
		return []string{"I may not set the topic here: /op " + b.nick + ", or /mode -t"}
	case b.full:
		return []string{errFull.Error()}
	}
	v, err := json.Marshal(body{By: who, Known: known(b.train, who)})
	if err != nil {
		panic(fmt.Sprintf("bot: %v", err)) // unreachable: it is plain data
	}
	b.recs = append(b.recs, store.Record{At: b.now(), Kind: kindShown, Type: "Topic", Body: v})
	b.asked = ""
	return nil
}

// answerQueue shows all trains, the ones too that the topic has no room for.
func answerQueue(b *Bot, _ train.Who, _ []word) []string {
	q := b.train.Queue
	out := fold(b.train.Whole(), 350)
	n := 0
	for _, t := range q.Trains {
		n += len(t.Riders)
	}
	if n > 0 {
		out = append(out, fmt.Sprintf("%s, %s; %s", plural(len(q.Trains), "train"), plural(n, "rider"), b.seatNow()))
	}
	twin := b.twins()
	for _, t := range q.Trains {
		for _, r := range t.Riders {
			if told := twin(r.Nick); told != "" {
				out = append(out, told)
			}
		}
	}
	return out
}

// fold breaks a long text at " | " and blanks into lines of at most n bytes.
func fold(s string, n int) []string {
	var out []string
	for len(s) > n {
		cut := strings.LastIndex(s[:n], " | ")
		if cut <= 0 {
			cut = strings.LastIndexByte(s[:n], ' ')
		}
		if cut <= 0 {
			cut = n
		}
		out = append(out, strings.TrimSpace(s[:cut]))
		s = strings.TrimPrefix(strings.TrimSpace(s[cut:]), "| ")
	}
	return append(out, s)
}

// answerStatus says how all stands, and a moment later which hosts say otherwise.
func answerStatus(b *Bot, who train.Who, args []word) []string {
	b.look(look{stack: b.stackWord(args)}, func(odd []string) {
		for _, line := range odd {
			b.answer(who.Nick, plain, line)
		}
	})
	return b.statusLines(args)
}

// statusLines says per stack what its stages serve, what runs, what is held; then the hours.
func (b *Bot) statusLines(args []word) []string {
	var out []string
	only := b.stackWord(args)
	for _, st := range b.train.Rules.Stacks {
		if only != "" && st.Name != only {
			continue
		}
		var parts []string
		for _, sg := range st.Stages {
			parts = append(parts, b.stageText(st.Name, sg.Name))
		}
		for _, h := range b.train.Queue.Holds {
			if h.Stack == st.Name || h.Stack == "" {
				parts = append(parts, "held"+because(h.Why))
			}
		}
		for _, t := range b.train.Queue.Trains {
			if t.Haste.Why != "" && slices.Contains(b.train.Stacks(t), st.Name) {
				parts = append(parts, fmt.Sprintf("hotfix by %s for %s: %s", quietly(t.Haste.By.Nick), about(b.now().Sub(t.Haste.At)), t.Haste.Why))
			}
		}
		out = append(out, st.Name+": "+strings.Join(parts, "; "))
	}
	if b.train.Rules.Hours != "" {
		out = append(out, b.hoursText())
	}
	return out
}

func (b *Bot) stageText(stack, stage string) string {
	text := stage + " serves nothing of ours yet"
	for _, l := range b.train.Live {
		if l.Stack == stack && l.Stage == stage {
			text = fmt.Sprintf("%s serves %s for %s", stage, l.Shipment.Release, about(b.now().Sub(l.At)))
			if l.Train == 0 {
				text += " (from the shell)"
			}
		}
	}
	quarantine := b.book.Quarantine[deploy.Target{Stack: stack, Stage: stage}.String()]
	for _, host := range slices.Sorted(maps.Keys(quarantine)) {
		text += fmt.Sprintf(", without %s for %s", host, about(b.now().Sub(quarantine[host].Since)))
	}
	for _, r := range b.train.Busy {
		if r.Stack != stack || r.Stage != stage {
			continue
		}
		state := "starting"
		if id, ok := b.running(stack); ok {
			o := b.book.Open[id]
			state = string(o.State)
			if o.Release.ID != "" {
				state += " of " + o.Release.ID
			}
		}
		text += fmt.Sprintf(" (%s by %s for %s)", state, quietly(r.By), about(b.now().Sub(r.Since)))
	}
	return text
}

// answerETA tells a rider when their trains may be up, and others what a seat would wait.
func answerETA(b *Bot, who train.Who, _ []word) []string {
	var out []string
	for i, t := range b.train.Queue.Trains {
		for _, r := range t.Riders {
			switch {
			case !b.same(r.Nick, who.Nick):
			case !t.Up.IsZero():
				out = append(out, fmt.Sprintf("you're up (%s), for %s", strings.Join(b.train.Stacks(t), ", "), about(b.now().Sub(t.Up))))
			case t.Haste.Why != "":
				out = append(out, fmt.Sprintf("a hotfix (%s): %d in front", strings.Join(b.train.Stacks(t), ", "), b.train.Place(i)))
			default:
				stack, n := b.train.Lane(i)
				out = append(out, fmt.Sprintf("train %d (%s): %s", n+1, strings.Join(b.train.Stacks(t), ", "), b.waitText(stack, n)))
			}
		}
	}
	if len(out) == 0 {
		out = append(out, b.seatNow())
	}
	return out
}

// seatNow says what somebody new would wait: it is tried, and forgotten.
func (b *Bot) seatNow() string {
	_, effects, _ := b.train.Apply(train.Input{At: b.now(), By: train.Who{Nick: "?"}, Event: train.Join{}}) // nobody is called so: never refused
	for _, e := range effects {
		if e, ok := e.(train.Boarded); ok {
			return "a seat now: " + b.waitText(e.Stack, e.Place)
		}
	}
	return "no seat now: there is no stack"
}

// answerHelp explains one command, or names all of them.
func answerHelp(b *Bot, _ train.Who, args []word) []string {
	p := b.cfg.Prefix
	if len(args) > 0 {
		name := strings.TrimPrefix(args[0].name(), p)
		c, ok := b.find(name)
		if !ok {
			return []string{fmt.Sprintf("there is no %s%s", p, name)}
		}
		text := strings.TrimSpace(p+c.Name+" "+c.Args) + ": " + c.Does + " (" + c.Who + ")"
		if len(c.Aliases) > 0 {
			text += "; also " + p + strings.Join(c.Aliases, " "+p)
		}
		return []string{text}
	}
	var names []string
	for _, c := range b.commands {
		names = append(names, p+c.Name)
	}
	return []string{
		"The topic is the queue: `alice* + bob | carol` is two trains, the first rider drives, * is good. " + p + "join takes a seat.",
		strings.Join(names, " "),
		p + "help CMD explains one; everything works as \"" + b.nick + ": join\" too.",
	}
}
