package train

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// testRules are those of testdata/topics.txt.
var testRules = Rules{Stacks: []Stack{
	{Name: "web", Stages: []Stage{{Name: "princess"}, {Name: "prod"}}},
	{Name: "config", Aliases: []string{"c"}, Stages: []Stage{{Name: "princess"}, {Name: "Prod"}}},
	{Name: "search", Aliases: []string{"s", "find"}},
}}

// knowing is n when the people of q are known too.
func (n Notation) knowing(q Queue) Notation {
	n.Known = slices.Clone(n.Known)
	for _, t := range q.Trains {
		for _, r := range t.Riders {
			n.Known = append(n.Known, r.Nick)
		}
	}
	return n
}

// understood says what was understood of a topic, in the words of testdata/topics.txt.
func understood(q Queue) string {
	var b strings.Builder
	line := func(key string, words ...string) {
		words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-7s %s", key, strings.Join(words, " ")), " ") + "\n")
	}
	quoted := func(s string) string {
		if s == "" {
			return ""
		}
		return "says " + s
	}
	if q.Banner != "" {
		line("banner", q.Banner)
	}
	for _, h := range q.Holds {
		line("hold", h.Stack, quoted(h.Why))
	}
	for _, t := range q.Trains {
		for _, s := range t.Before {
			line("text", s)
		}
		var riders []string
		for _, r := range t.Riders {
			s := r.Nick + [...]string{"", " is good", " says uh-oh"}[r.Mark]
			if r.Stack != "" {
				s += " for " + r.Stack
			}
			if r.AskMe {
				s += ", ask me"
			}
			if r.Hold {
				s += ", holds"
			}
			for _, w := range r.Words {
				s += ", noted " + strconv.Quote(w)
			}
			riders = append(riders, s)
		}
		stage := ""
		if t.Stage != "" {
			stage = "at " + t.Stage + ":"
		}
		line("train", stage, strings.Join(riders, "; "))
		if t.Message != "" {
			line("says", t.Message)
		}
	}
	for _, s := range q.Rest {
		line("rest", s)
	}
	if q.More > 0 {
		line("hidden", strconv.Itoa(q.More))
	}
	if q.Message != "" {
		line("message", q.Message)
	}
	if b.Len() == 0 {
		return "nobody\n"
	}
	return b.String()
}

// TestTopics reads every topic of testdata/topics.txt, whose head says how it is written.
func TestTopics(t *testing.T) {
	data, err := os.ReadFile("testdata/topics.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, block := range strings.Split(string(data), "\n\n") {
		n := Notation{Rules: testRules, Casemap: RFC1459}
		var topic, want string
		found := false
		for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
			key, value, _ := strings.Cut(line, " ")
			value = strings.TrimLeft(value, " ")
			switch key {
			case "#":
			case "known":
				n.Known = strings.Fields(value)
			case "topic":
				topic, found = value, true
			case "bytes":
				topic, err = strconv.Unquote(value)
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				found = true
			default:
				want += line + "\n"
			}
		}
		if !found {
			continue
		}
		cases++
		t.Run(topic, func(t *testing.T) {
			q := n.Parse(topic)
			got := understood(q) + fmt.Sprintf("%-7s %s\n", "writes", Format(q))
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			roundTrip(t, n, q)
		})
	}
	if cases < 60 {
		t.Errorf("read %d topics of testdata/topics.txt", cases)
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// roundTrip checks that q is what is read of its own topic.
func roundTrip(t failer, n Notation, q Queue) {
	t.Helper()
	text := Format(q)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Fatalf("wrote %q", text)
	}
	if again := n.knowing(q).Parse(text); !reflect.DeepEqual(again, q.Shown()) {
		t.Fatalf("wrote %q, which is read as\n%swant\n%s", text, understood(again), understood(q))
	}
}

// words are the runs of letters and digits of s, each in the form that is equal for
// all cases of it.
func words(s string) []string {
	fold := func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}
	return strings.FieldsFunc(strings.Map(fold, s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}

// lost returns the words of a topic that Parse forgot, but for those that say
// nothing more once they are understood.
func lost(topic string, q Queue) []string {
	spent := words("clear hold askme web config c search s find")
	kept := words(Format(q))
	return slices.DeleteFunc(words(printable(topic)), func(w string) bool {
		hidden := strings.Trim(w, "0123456789") == "" && (q.More > 0 || strings.Trim(w, "0") == "")
		return hidden || slices.Contains(spent, w) || slices.Contains(kept, w)
	})
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/topics.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if topic, ok := strings.CutPrefix(line, "topic   "); ok {
			f.Add(topic, "alice bob|away", byte(RFC1459))
		}
	}
	f.Add("\x02HOLD\x0f (c) \x0304,01db\x03 | <PROD>a\xff* \x00| \u201ctext\u201d + |", "| || a\\b |x", byte(ASCII))
	f.Fuzz(func(t *testing.T, topic, known string, casemap byte) {
		n := Notation{Rules: testRules, Casemap: Casemap(casemap % 3), Known: strings.Fields(known)}
		q := n.Parse(topic)
		roundTrip(t, n, q)
		if l := lost(topic, q); len(l) > 0 {
			t.Fatalf("lost %q of %q, wrote %q", l, topic, Format(q))
		}
		for _, train := range q.Trains {
			if len(train.Riders) == 0 {
				t.Fatalf("a train without riders in %q", topic)
			}
		}
	})
}

// TestParseAnything is FuzzParse on texts that are dense with the notation.
func TestParseAnything(t *testing.T) {
	pieces := []string{" ", " ", " ", "|", "|", " | ", "+", ",", "&", "*", "!", "!!", " !! ", `"`, `"`, ` "`, `" `, "(", ")", "<", ">", "…", "...",
		" … +3", "+3", "7", "alice", "Alice", "bob", "bob|away", "|", "||x", "a\\b", "a|b", "carol", "clear", "HOLD", "hold", "(c)", "(web)", "(config)", "(askme)",
		"(HOLD)", "(why not)", "<prod>", "<PROD> ", "<x>", "please", "do not push", ":", ".", "'", "é", "-", "/", "\x0304", "\u201c", "\xff", "~"}
	rapid.Check(t, func(t *rapid.T) {
		topic := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 25).Draw(t, "topic"), "")
		n := Notation{
			Rules:   testRules,
			Casemap: rapid.SampledFrom([]Casemap{ASCII, RFC1459, StrictRFC1459}).Draw(t, "casemap"),
			Known:   rapid.SliceOf(rapid.SampledFrom([]string{"alice", "BOB", "bob|away", "|", "||x", "a\\b", "please", "clear", "hold"})).Draw(t, "known"),
		}
		q := n.Parse(topic)
		roundTrip(t, n, q)
		if l := lost(topic, q); len(l) > 0 {
			t.Fatalf("lost %q of %q, wrote %q", l, topic, Format(q))
		}
	})
}

// The texts of drawn queues.
var (
	drawnRest   = []string{"after lunch only", "C++ is great", `see "a | b" now`, "-x", "<prod>"}
	drawnBefore = []string{"not before 5!!", "bye all", `"x"`}
)

// drawNick draws a nick from the whole alphabet, and now and then a word of the
// notation. It is none of the drawn texts' words: those would take its seat.
func drawNick(t *rapid.T) string {
	taken := words(strings.Join(slices.Concat(drawnRest, drawnBefore), " "))
	return rapid.OneOf(
		rapid.StringMatching("[A-Za-z\\[\\]\\\\`_^{|}][A-Za-z0-9\\[\\]\\\\`_^{|}-]{0,15}"),
		rapid.SampledFrom([]string{"clear", "CLEAR", "hold", "HOLD", "askme", "config", "|", "||", "a|b", "alice", "bob"}),
	).Filter(func(nick string) bool { return !slices.Contains(taken, strings.ToUpper(nick)) }).Draw(t, "nick")
}

// drawQueue draws a queue such as Apply yields, with texts that came by command.
func drawQueue(t *rapid.T) Queue {
	message := func(label string) string {
		return CleanMessage(rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-z |"!+(]{0,20}`)).Draw(t, label))
	}
	some := func(label string, from ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, label)
	}
	orNil := func(s []string) []string {
		if len(s) == 0 {
			return nil
		}
		return s
	}
	stack := rapid.SampledFrom([]string{"", "config", "search"})
	q := Queue{
		Banner:  banner(rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-z |"!+(]{0,20}`)).Draw(t, "banner")),
		Rest:    orNil(some("rest", drawnRest...)),
		Message: message("message"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "holds") {
		q.Holds = append(q.Holds, Hold{Stack: rapid.SampledFrom([]string{"", "web", "config"}).Draw(t, "held"), Why: message("why")})
	}
	for range rapid.IntRange(0, 6).Draw(t, "trains") {
		train := Train{
			Before:  orNil(some("before", drawnBefore...)),
			Stage:   rapid.SampledFrom([]string{"", "", "princess", "prod", "at lunch"}).Draw(t, "stage"),
			Message: message("says"),
		}
		for range rapid.IntRange(1, 5).Draw(t, "riders") {
			train.Riders = append(train.Riders, Rider{
				Nick:  drawNick(t),
				Mark:  rapid.SampledFrom([]Mark{None, Good, Uhoh}).Draw(t, "mark"),
				Stack: stack.Draw(t, "stack"),
				AskMe: rapid.Bool().Draw(t, "askme"),
				Hold:  rapid.Bool().Draw(t, "hold"),
				Words: orNil(some("words", "x", "back at 5", "a, b + c", "!! 100%", "é")),
			})
		}
		q.Trains = append(q.Trains, train)
	}
	return q
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Notation{
			Rules:   testRules,
			Casemap: rapid.SampledFrom([]Casemap{ASCII, RFC1459, StrictRFC1459}).Draw(t, "casemap"),
			Known:   rapid.SliceOfN(rapid.Custom(drawNick), 0, 3).Draw(t, "known"),
		}
		q := drawQueue(t)
		roundTrip(t, n, q)
	})
}

func TestCleanMessage(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		" fix\tthe\r\ncart ":         "fix the  cart",
		`say "hi" | bye !! "x"`:      "say 'hi' | bye !! 'x'",
		"\x02bold\x0f \x0304red\x03": "bold red",
		"caf\xe9":                    "caf\ufffd",
		strings.Repeat("é", 101):     strings.Repeat("é", 100),
		strings.Repeat("xé", 70):     strings.Repeat("xé", 66) + "x",
	} {
		if got := CleanMessage(in); got != want {
			t.Errorf("CleanMessage(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestFormatBanner writes banners as nobody cleaned them: still none is taken for riders.
func TestFormatBanner(t *testing.T) {
	for banner, want := range map[string]string{
		"Off-Hours":        "Off-Hours!! | alice",
		"clear":            "clear!! | alice",
		"HOLD on":          "HOLD on!! | alice",
		"<prod> soon":      "<prod> soon!! | alice",
		"no, please":       "no, please!! | alice",
		"no pushing today": "no pushing today | alice",
	} {
		q := Queue{Banner: banner, Trains: []Train{{Riders: []Rider{{Nick: "alice"}}}}}
		if got := Format(q); got != want {
			t.Errorf("banner %q: wrote %q, want %q", banner, got, want)
		}
		again := Notation{}.Parse(Format(q))
		if again.Banner != strings.TrimSuffix(want, " | alice") || len(again.Trains) != 1 {
			t.Errorf("banner %q is read as\n%s", banner, understood(again))
		}
	}
}

// busyTopic has 15 riders, all that a topic can have, and one text that is searched for names.
const busyTopic = `Off-Hours!! | HOLD (config) "db is down" | <prod> bateman* + krunal* + enorris* + dawa + corey + nathan + jpaul + avleen | ` +
	`<princess> bateman (askme) | after lunch only | tristan (config) + jameslee (config) + jlaster (config) "fix the cart" | bob|away + alice! + carol (HOLD) !! "code slush"`

func busy(b *testing.B) (Notation, Queue) {
	n := Notation{Rules: testRules, Casemap: RFC1459, Known: []string{"bob|away"}}
	for i := range 200 {
		n.Known = append(n.Known, "someone"+strconv.Itoa(i))
	}
	q := n.Parse(busyTopic)
	if Format(q) != busyTopic {
		b.Fatalf("wrote %s", Format(q))
	}
	return n, q
}

func BenchmarkParse(b *testing.B) {
	n, _ := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		n.Parse(busyTopic)
	}
}

func BenchmarkFormat(b *testing.B) {
	_, q := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		Format(q)
	}
}

// banner is s as a banner that nothing can take for riders; "" stays.
func banner(s string) string {
	s = cut(strings.ReplaceAll(CleanMessage(s), "|", "/"), maxText-len(loud))
	if s == "" || strings.HasSuffix(s, loud) {
		return s
	}
	return s + loud
}
