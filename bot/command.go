package bot

import (
	"fmt"
	"slices"
	"strings"

	"pushtrain/train"
)

// Command is one row of the command table: help, README and completion are made from it.
type Command struct {
	Name    string
	Aliases []string
	Args    string // as help shows them
	Who     string // may use it
	Does    string // one sentence

	rollout bool // starts or stops a rollout: never by private message
	stops   bool // makes things safe: read of who says too much, too
	// parse makes the event of a command that changes something; nil for a question.
	parse func(b *Bot, args []word) (train.Event, error)
	// answer says what a question asks for, in lines; nil for a change.
	answer func(b *Bot, who train.Who, args []word) []string
}

// word is one word of a command, or one quoted text.
type word struct {
	text   string
	quoted bool
}

// name is the word as the name of somebody or something: one with signs that nobody
// sees is nobody's.
func (w word) name() string { return train.Visible(w.text) }

// usageError is a command that could not be read. Its text says how it is written.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Commands returns the table for the configured stages, in the order in which help shows it.
func Commands(rules train.Rules) []Command {
	table := []Command{
		{Name: "join", Aliases: []string{"unir"}, Args: `[STACK] [with N | before N | last] [askme] [hold] ["msg"]`, Who: "anyone", parse: parseJoin,
			Does: "takes a seat in the first waiting train that has room; answers with place and wait"},
		{Name: "leave", Aliases: []string{"nevermind", "nm", "olvidate"}, Who: "rider", parse: just(train.Leave{}),
			Does: "gives up all your seats"},
		{Name: "pop", Who: "rider", parse: just(train.Leave{Last: true}),
			Does: "gives up your last seat"},
		{Name: "drive", Args: "[N]", Who: "rider; N: driver", parse: parseDrive,
			Does: "takes the wheel when the driver is gone or silent; `drive N` hands it to N"},
		{Name: "good", Aliases: []string{"in", "go", "great", "si", "bueno", "listo"}, Args: "[STACK]", Who: "rider", parse: parseVote(train.Good),
			Does: "marks you as good with the present stage"},
		{Name: "uhoh", Aliases: []string{"bad", "notgood", "fml"}, Args: "[STACK]", Who: "rider", stops: true, parse: parseVote(train.Uhoh),
			Does: "marks you as not good: stops the next step until you clear it"},
	}
	for _, st := range stages(rules) {
		table = append(table, Command{Name: st.Name, Args: "[STACK]", Who: "driver", rollout: true, parse: parseStep(st.Name),
			Does: "rolls the train out to " + st.Name})
	}
	return append(table, []Command{
		{Name: "confirm", Args: "[STACK]", Who: "another rider", rollout: true, parse: parseStack(func(s string) train.Event { return train.Confirm{Stack: s} }),
			Does: "starts what the driver asked for, where a stage wants two people"},
		{Name: "at", Args: "STAGE [STACK]", Who: "driver", parse: parseAt,
			Does: "sets the marker by hand, for a stage that something else deploys"},
		{Name: "done", Aliases: []string{"finito"}, Args: "[STACK]", Who: "driver", parse: parseStack(func(s string) train.Event { return train.Done{Stack: s} }),
			Does: "ends your train; the next one is told \"You're up\""},
		{Name: "abort", Args: "[STACK]", Who: "riders, ops", rollout: true, stops: true, parse: parseAbort,
			Does: "stops a rollout, your own first, before its flip; after it, flips back"},
		{Name: "rollback", Args: `[STACK] [STAGE] ["why"]`, Who: "riders, ops", rollout: true, stops: true, parse: parseRollback,
			Does: "flips back everywhere and holds the stack: as named, or what flips of yours, or flipped last"},
		{Name: "hold", Args: `[STACK] ["why"]`, Who: "anyone", stops: true, parse: parseHold,
			Does: "holds every lane, or one"},
		{Name: "unhold", Args: "[STACK]", Who: "anyone", parse: parseStack(func(s string) train.Event { return train.Lift{Stack: s} }),
			Does: "lifts holds"},
		{Name: "kick", Args: "N", Who: "anyone, announced", parse: parseKick,
			Does: "takes all seats from N, but not the wheel of a train under way from a driver who is there"},
		{Name: "hotfix", Args: `[STACK] "why"`, Who: "anyone, announced", rollout: true, parse: parseHotfix,
			Does: "has you go next, at any hour: behind the train that has left"},
		{Name: "message", Args: `"msg" | -`, Who: "anyone", parse: parseNote,
			Does: "sets the message at the end of the topic, or removes it"},
		{Name: "topic", Who: "anyone", answer: answerTopic,
			Does: "puts the bot's own topic back"},
		{Name: "queue", Who: "anyone", answer: answerQueue,
			Does: "shows the whole queue"},
		{Name: "status", Args: "[STACK]", Who: "anyone", answer: answerStatus,
			Does: "shows what each stage serves, what runs, and which hosts say otherwise"},
		{Name: "eta", Who: "anyone", answer: answerETA,
			Does: "says when your train may be up"},
		{Name: "stats", Args: statsUsage, Who: "anyone", answer: answerStats,
			Does: "sums up a period: pushes, waits, what a cycle is made of, capacity"},
		{Name: "log", Args: `"text"`, Who: "anyone", parse: parseLog,
			Does: "writes a line into the deploy log and announces it"},
		{Name: "quiet", Args: "[on | off]", Who: "anyone", parse: parseQuiet,
			Does: "lets the bot name you without pinging you"},
		{Name: "help", Args: "[CMD]", Who: "anyone", answer: answerHelp,
			Does: "explains a command"},
		{Name: "version", Who: "anyone", answer: answerVersion,
			Does: "says what runs here, and how it knows people"},
	}...)
}

// stages lists the stages of all stacks once, in order.
func stages(rules train.Rules) []train.Stage {
	var out []train.Stage
	for _, st := range rules.Stacks {
		for _, sg := range st.Stages {
			if !slices.ContainsFunc(out, func(o train.Stage) bool { return o.Name == sg.Name }) {
				out = append(out, sg)
			}
		}
	}
	return out
}

// split cuts what a person said into commands, each a list of words: nothing at
// all for chat. prefix is "." as a rule; "NICK: join" is read too.
func split(text, prefix, nick string) [][]word {
	text = strings.TrimSpace(text)
	rest, ok := strings.CutPrefix(text, prefix)
	if ok && (rest == "" || !isLetter(rest[0])) {
		return nil // "...", ".5 of", "..join"
	}
	if !ok {
		if rest, ok = addressed(text, nick); !ok {
			return nil
		}
		rest = strings.TrimPrefix(rest, prefix)
	}
	var out [][]word
	for i, part := range cutUnquoted(rest, ';') {
		part = strings.TrimSpace(part)
		if i > 0 {
			part = strings.TrimPrefix(part, prefix)
		}
		if w := words(part); len(w) > 0 {
			out = append(out, w)
		}
	}
	return out
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// addressed reads "nick: word" and "nick, word".
func addressed(text, nick string) (string, bool) {
	if len(text) <= len(nick) || !strings.EqualFold(text[:len(nick)], nick) || !strings.ContainsRune(":,", rune(text[len(nick)])) {
		return "", false
	}
	rest := strings.TrimSpace(text[len(nick)+1:])
	return rest, rest != "" && (isLetter(rest[0]) || len(rest) > 1 && isLetter(rest[1]))
}

// quotes are what people and their clients write for ".
var quotes = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`)

// cutUnquoted splits at sep outside of quotes.
func cutUnquoted(s string, sep byte) []string {
	var out []string
	s = quotes.Replace(s)
	from, in := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			in = !in
		case s[i] == sep && !in:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

// words splits at blanks; "quoted text" is one word, to the end when it is not closed.
func words(s string) []word {
	var out []word
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			text, rest, _ := strings.Cut(s[1:], `"`)
			out = append(out, word{strings.TrimSpace(text), true})
			s = rest
			continue
		}
		n := strings.IndexAny(s, " \t\"")
		if n < 0 {
			n = len(s)
		}
		out = append(out, word{text: s[:n]})
		s = s[n:]
	}
	return out
}

// find returns the command that name means.
func (b *Bot) find(name string) (Command, bool) {
	for _, c := range b.commands {
		if strings.EqualFold(c.Name, name) || slices.ContainsFunc(c.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
			return c, true
		}
	}
	return Command{}, false
}

// near returns the command that a mistyped name nearly is, "" without one.
func (b *Bot) near(name string) string {
	for _, c := range b.commands {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if nearly(name, n) {
				return c.Name
			}
		}
	}
	return ""
}

// nearly reports whether what was said is one letter off a name, and neither is too short for that.
func nearly(said, name string) bool {
	return min(len(said), len(name)) > 2 && oneOff(strings.ToLower(said), strings.ToLower(name))
}

// oneOff reports whether one letter more, less, other or two swapped make a of b.
func oneOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 1:
		return a[i:] == b[i+1:]
	case 0:
		if i == len(a) {
			return true
		}
		return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	}
	return false
}

func just(e train.Event) func(*Bot, []word) (train.Event, error) {
	return func(*Bot, []word) (train.Event, error) { return e, nil }
}

// stackWord is the stack that the first word names, "" when it names none: `.good thanks!` is a plain `.good`.
func (b *Bot) stackWord(args []word) string {
	if len(args) > 0 && !args[0].quoted {
		if s, ok := b.train.Rules.Find(args[0].text); ok {
			return s.Name
		}
	}
	return ""
}

func parseStack(f func(stack string) train.Event) func(*Bot, []word) (train.Event, error) {
	return func(b *Bot, args []word) (train.Event, error) { return f(b.stackWord(args)), nil }
}

func parseVote(m train.Mark) func(*Bot, []word) (train.Event, error) {
	return parseStack(func(s string) train.Event { return train.Vote{Stack: s, Mark: m} })
}

func parseStep(stage string) func(*Bot, []word) (train.Event, error) {
	return parseStack(func(s string) train.Event { return train.Step{Stage: stage, Stack: s} })
}

func parseJoin(b *Bot, args []word) (train.Event, error) {
	var j train.Join
	usage := func(format string, a ...any) error {
		text := fmt.Sprintf(format, a...)
		if !strings.HasSuffix(text, "?") {
			text += ":"
		}
		return &usageError{text + ` .join [STACK] [with N | before N | last] [askme] [hold] ["msg"]`}
	}
	for i := 0; i < len(args); i++ {
		w := args[i]
		name := func() (string, error) {
			if i++; i >= len(args) || args[i].quoted {
				return "", usage("%s whom?", w.text)
			}
			return args[i].name(), nil
		}
		var err error
		switch low := strings.ToLower(w.text); {
		case w.quoted:
			j.Message = w.text
		case low == "with" || low == "con":
			j.With, err = name()
		case low == "before" || low == "antes":
			j.Before, err = name()
		case low == "last" || low == "ultimo":
			j.Last = true
		case low == "askme":
			j.AskMe = true
		case low == "hold":
			j.Hold = true
		default:
			s, ok := b.train.Rules.Find(strings.Trim(w.text, "()")) // as the topic has it, too
			if !ok {
				return nil, usage("%q is no stack (%s) and no word of .join", w.name(), strings.Join(b.train.Rules.Names(), ", "))
			}
			j.Stack = s.Name
		}
		if err != nil {
			return nil, err
		}
	}
	if j.With != "" && j.Before != "" || j.Last && j.With+j.Before != "" {
		return nil, usage("one of with, before and last, not two")
	}
	return j, nil
}

func parseDrive(b *Bot, args []word) (train.Event, error) {
	d := train.Drive{Spoke: b.heard()}
	if len(args) > 0 && !args[0].quoted {
		d.To = args[0].name()
	}
	return d, nil
}

func parseAt(b *Bot, args []word) (train.Event, error) {
	if len(args) == 0 {
		return nil, &usageError{".at which stage? .at STAGE [STACK]"}
	}
	return train.At{Stage: args[0].name(), Stack: b.stackWord(args[1:])}, nil
}

// text is the quoted text among args, or else all of them.
func text(args []word) string {
	var out []string
	for _, w := range args {
		if w.quoted {
			return w.text
		}
		out = append(out, w.text)
	}
	return strings.Join(out, " ")
}

func parseRollback(b *Bot, args []word) (train.Event, error) {
	r := train.Rollback{Stack: b.stackWord(args)}
	of := b.train.Rules
	var names []string
	if r.Stack != "" {
		args = args[1:]
		s, _ := of.Find(r.Stack)
		of.Stacks = []train.Stack{s}
	} else {
		names = of.Names()
	}
	for _, g := range stages(of) {
		names = append(names, g.Name)
		if len(args) > 0 && !args[0].quoted && strings.EqualFold(g.Name, args[0].text) {
			r.Stage = g.Name
		}
	}
	if r.Stage != "" {
		args = args[1:]
	} else if err := mistyped(args, names, `.rollback [STACK] [STAGE] ["why"]`); err != nil {
		return nil, err
	} else if len(args) > 1 && !args[0].quoted && slices.ContainsFunc(args, func(w word) bool { return w.quoted }) {
		return nil, &usageError{fmt.Sprintf(`%q stands before the reason and is none of %s: .rollback [STACK] [STAGE] ["why"]`, args[0].name(), strings.Join(names, ", "))}
	}
	r.Why, r.Flipping = text(args), b.flipping()
	return r, nil
}

func parseAbort(b *Bot, args []word) (train.Event, error) {
	a := train.Abort{Stack: b.stackWord(args)}
	if a.Stack != "" {
		return a, nil
	}
	return a, mistyped(args, b.train.Rules.Names(), ".abort [STACK]")
}

// mistyped refuses what stands behind a word that stops or undoes something when it is nearly
// one of the names: left out, it would have the word mean something else.
func mistyped(args []word, names []string, usage string) error {
	if len(args) == 0 || args[0].quoted {
		return nil
	}
	for _, n := range names {
		if nearly(args[0].text, n) {
			return &usageError{fmt.Sprintf("%q: do you mean %s? %s", args[0].name(), n, usage)}
		}
	}
	return nil
}

func parseHold(b *Bot, args []word) (train.Event, error) {
	h := train.Halt{Stack: b.stackWord(args)}
	if h.Stack != "" {
		args = args[1:]
	}
	h.Why = text(args)
	return h, nil
}

func parseHotfix(b *Bot, args []word) (train.Event, error) {
	h := train.Hotfix{Stack: b.stackWord(args)}
	if h.Stack != "" {
		args = args[1:]
	}
	h.Why = text(args)
	return h, nil
}

func parseKick(_ *Bot, args []word) (train.Event, error) {
	if len(args) == 0 {
		return nil, &usageError{".kick whom? .kick N"}
	}
	return train.Kick{Nick: args[0].name()}, nil
}

func parseNote(_ *Bot, args []word) (train.Event, error) {
	switch t := text(args); t {
	case "":
		return nil, &usageError{`.message "msg" sets the message, .message - removes it`}
	case "-":
		return train.Note{}, nil
	default:
		return train.Note{Text: t}, nil
	}
}

func parseLog(_ *Bot, args []word) (train.Event, error) {
	if t := text(args); t != "" {
		return train.Log{Text: t}, nil
	}
	return nil, &usageError{`.log "text"`}
}

func parseQuiet(_ *Bot, args []word) (train.Event, error) {
	switch strings.ToLower(text(args)) {
	case "", "on":
		return train.Quiet{On: true}, nil
	case "off":
		return train.Quiet{}, nil
	}
	return nil, &usageError{".quiet on, or .quiet off"}
}
