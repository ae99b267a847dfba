package bot

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pushtrain/train"
)

var twoStacks = train.Rules{Stacks: []train.Stack{
	{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}},
	{Name: "config", Aliases: []string{"c"}, Stages: []train.Stage{{Name: "qa", External: true}, {Name: "prod"}}},
}}

// TestStageAsWritten: a stage is called as the configuration has it, however it was said.
func TestStageAsWritten(t *testing.T) {
	b := &Bot{}
	b.train.Rules = train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "Prod"}}}}}
	if got, err := parseRollback(b, []word{{text: "web"}, {text: "prod"}}); err != nil || got.(train.Rollback).Stage != "Prod" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSplit(t *testing.T) {
	for said, want := range map[string]string{
		".join":                         `join`,
		"  .join  ":                     `join`,
		".JOIN with alice":              `JOIN with alice`,
		`.join "fix the cart" askme`:    `join "fix the cart" askme`,
		`.join “fix the cart”`:          `join "fix the cart"`,
		`.join with bob"fix"`:           `join with bob "fix"`,
		`.message "never closed`:        `message "never closed"`,
		`.message "a; b"; .good`:        `message "a; b" / good`,
		".good;.uhoh ; join;":           `good / uhoh / join`,
		"pushbot: join":                 `join`,
		"PushBot,  .join":               `join`,
		"pushbot: .good; .done":         `good / done`,
		"pushbot join":                  ``,
		"pushbot:":                      ``,
		"pushbots: join":                ``,
		"push: join":                    ``,
		"<alice> .join":                 ``, // over a bridge
		"\x02<al\u200bice>\x02 .join":   ``,
		"[irc] alice: .join":            ``,
		"[12:34:56] .join":              ``, // as a bouncer repeats it
		"[12:34:56] pushbot: join":      ``,
		"\u200b.join":                   ``,
		"\u202e.join":                   ``,
		"\x03" + "04.join":              ``,
		"ｐushbot: join":                 ``,
		"․join":                         ``, // another dot
		"...":                           ``,
		".":                             ``,
		"":                              ``,
		".5 of them":                    ``,
		"..join":                        ``,
		". join":                        ``,
		"join":                          ``,
		".joining now":                  `joining now`, // a word that is no command: chat
		".queue\t30d":                   `queue 30d`,
		`.hold ""`:                      `hold ""`,
		".log größer als ;ein; Zeichen": `log größer als / ein / Zeichen`,
	} {
		if got := spell(split(said, ".", "pushbot")); got != want {
			t.Errorf("%q is read as %s, want %s", said, got, want)
		}
	}
	if got := spell(split("!join; !good", "!", "pushbot")); got != "join / good" {
		t.Errorf("with another prefix: %s", got)
	}
}

// spell writes commands so that a test can show them.
func spell(commands [][]word) string {
	var all []string
	for _, words := range commands {
		var one []string
		for _, w := range words {
			if w.quoted {
				w.text = `"` + w.text + `"`
			}
			one = append(one, w.text)
		}
		all = append(all, strings.Join(one, " "))
	}
	return strings.Join(all, " / ")
}

func TestNear(t *testing.T) {
	b := &Bot{commands: Commands(twoStacks)}
	for name, want := range map[string]string{
		"jion": "join", "joni": "join", "jon": "join", "joinn": "join", "JOIM": "join", "leav": "leave", "princes": "princess", "prood": "prod",
		"nevermid": "leave", "rolback": "rollback", "statsu": "status",
		"joining": "", "foo": "", "go": "", "x": "", "": "", "deploy": "", "good1x": "",
	} {
		if got := b.near(name); got != want {
			t.Errorf("near %q stands %q, want %q", name, got, want)
		}
	}
}

// TestCommandTable: no name twice, every row complete, each stage once.
func TestCommandTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Commands(twoStacks) {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if seen[name] {
				t.Errorf("%s stands in the table twice", name)
			}
			seen[name] = true
		}
		if c.Does == "" || c.Who == "" || (c.parse == nil) == (c.answer == nil) {
			t.Errorf("the row of %s is not complete", c.Name)
		}
	}
	for _, name := range []string{"princess", "prod", "qa"} {
		if !seen[name] {
			t.Errorf("the stage %s is no command", name)
		}
	}
}

func TestParse(t *testing.T) {
	b := &Bot{commands: Commands(twoStacks)}
	b.train.Rules = twoStacks
	for said, want := range map[string]train.Event{
		".join":                          train.Join{},
		".join c before bob askme":       train.Join{Stack: "config", Before: "bob", AskMe: true},
		`.join (config) last hold "why"`: train.Join{Stack: "config", Last: true, Hold: true, Message: "why"},
		".good thanks!":                  train.Vote{Mark: train.Good},
		".good C":                        train.Vote{Mark: train.Good, Stack: "config"},
		".fml":                           train.Vote{Mark: train.Uhoh},
		".prod config":                   train.Step{Stage: "prod", Stack: "config"},
		".at prod web":                   train.At{Stage: "prod", Stack: "web"},
		".rollback":                      train.Rollback{},
		`.rollback web PROD "500s"`:      train.Rollback{Stack: "web", Stage: "prod", Why: "500s"},
		".rollback it is broken":         train.Rollback{Why: "it is broken"},
		".rollback prod":                 train.Rollback{Stage: "prod"},
		".rollback prod is slow":         train.Rollback{Stage: "prod", Why: "is slow"},
		`.rollback "prod"`:               train.Rollback{Why: "prod"},
		".rollback web it is broken":     train.Rollback{Stack: "web", Why: "it is broken"},
		".rollback we are down":          train.Rollback{Why: "we are down"}, // no web
		".rollback c QA":                 train.Rollback{Stack: "config", Stage: "qa"},
		".abort now":                     train.Abort{},
		`.hold config "schema"`:          train.Halt{Stack: "config", Why: "schema"},
		".hold db is down":               train.Halt{Why: "db is down"},
		".unhold":                        train.Lift{},
		".kick Bob":                      train.Kick{Nick: "Bob"},
		".message slush from 16:00":      train.Note{Text: "slush from 16:00"},
		".message -":                     train.Note{},
		".pop":                           train.Leave{Last: true},
		".quiet":                         train.Quiet{On: true},
		".quiet OFF":                     train.Quiet{},
		".done now":                      train.Done{},
		".abort c":                       train.Abort{Stack: "config"},
		`.log "cache cleared"`:           train.Log{Text: "cache cleared"},
	} {
		words := split(said, ".", "pushbot")[0]
		c, ok := b.find(words[0].text)
		if !ok {
			t.Errorf("%s is no command", said)
			continue
		}
		if got, err := c.parse(b, words[1:]); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v (%v), want %#v", said, got, err, want)
		}
	}
	for _, said := range []string{".join wbe", ".join with", ".join before", `.join with "bob"`, ".join with a before b", ".join last with a", ".at", ".kick", ".message", ".log", ".quiet maybe",
		".rollback confg prod", `.rollback web nosuch "x"`, `.rollback nosuch "x"`, ".rollback porD", ".rollback config pord", ".abort confg", ".abort wbe"} {
		words := split(said, ".", "pushbot")[0]
		c, _ := b.find(words[0].text)
		if got, err := c.parse(b, words[1:]); err == nil || !strings.Contains(err.Error(), "."+c.Name) {
			t.Errorf("%s is %#v, and the refusal %v does not say how it is written", said, got, err)
		}
	}
}

// FuzzCommand: whatever is said, it is read as words that were said, and nothing breaks.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{".join", `.join with bob "x;y"; good`, "pushbot: .done", "...", `."`, ";", ".a\x00b", ".join “”", ".ſtatus", "pushbot:;;;."} {
		f.Add(s)
	}
	b := &Bot{commands: Commands(twoStacks)}
	b.train.Rules = twoStacks
	f.Fuzz(func(t *testing.T, said string) {
		for _, words := range split(said, ".", "pushbot") {
			if len(words) == 0 {
				t.Fatalf("%q has a command without words", said)
			}
			for _, w := range words {
				if w.text == "" && !w.quoted || !w.quoted && strings.IndexFunc(w.text, func(r rune) bool { return r == ' ' || r == '"' }) >= 0 {
					t.Fatalf("%q has the word %q", said, w.text)
				}
				if !strings.Contains(quotes.Replace(said), w.text) {
					t.Fatalf("%q does not say %q", said, w.text)
				}
			}
			b.near(words[0].text)
			c, ok := b.find(words[0].text)
			if !ok || c.parse == nil {
				continue
			}
			event, err := c.parse(b, words[1:])
			if (event == nil) == (err == nil) {
				t.Fatalf("%q is %v and %v", said, event, err)
			}
		}
		if strings.TrimSpace(said) != "" && !slices.ContainsFunc([]rune(said), unicode.IsLetter) && len(split(said, ".", "pushbot")) > 0 {
			t.Fatalf("%q is a command without a letter", said)
		}
	})
}
