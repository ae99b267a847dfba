package bot

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/train"
)

// pressed presses a button on a bot and returns the refusal.
func (s *stage) pressed(p Person, text string) string {
	s.t.Helper()
	synctest.Wait() // what has happened in the channel comes first
	refusal, err := s.bot.Press(s.t.Context(), p, text)
	if err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
	return refusal
}

// inputs are the events of the journal that came from the page, as "nick!user@host account web: Event".
func (s *stage) inputs() []string {
	var out []string
	for rec, err := range s.store.Records(1) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Kind != kindTrain {
			continue
		}
		in, err := Input(rec)
		if err != nil {
			s.t.Fatal(err)
		}
		if in.By.Web != "" && rec.Type != "Heard" {
			out = append(out, in.By.Nick+"!"+in.By.User+"@"+in.By.Host+" "+in.By.Account+" "+in.By.Web+": "+rec.Type)
		}
	}
	return out
}

// TestPress: what is pressed is done by the rules of the channel, by the person who
// is there, announced, and journalled with the name of the login; the seat is theirs in both places.
func TestPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		var refused []store.Record
		s.cfg.Trace = func(rec store.Record, written bool) {
			if rec.Kind == kindRefusal && written {
				refused = append(refused, rec)
			}
		}
		if err := s.ensure(); err != nil {
			t.Fatal(err)
		}
		alice, bob := Person{"al@example.net", "alice", "alice"}, Person{"bob", "bob", "bob"}
		s.see(irc.Said{From: s.here("alice"), Text: ".join"})
		if r := s.pressed(bob, "join web"); r != "" {
			t.Fatalf("bob is refused: %s", r)
		}
		if topic, _, _ := s.chat.shown(); topic != "alice | bob" {
			t.Errorf("the topic is %q", topic)
		}
		s.chat.take()
		r := s.pressed(bob, "princess web")
		s.see(irc.Said{From: s.here("bob"), Text: ".princess"})
		synctest.Wait()
		if said := s.chat.take(); len(said) != 1 || r == "" || said[0] != "-bob- "+r {
			t.Errorf("the page refuses with %q, the channel with %q", r, said)
		}
		if len(refused) != 1 || !strings.Contains(string(refused[0].Body), `"Web":"bob"`) {
			t.Errorf("journalled as refused: %+v", refused)
		}
		if r := s.pressed(alice, "princess web"); r != "" {
			t.Fatalf("alice is refused: %s", r)
		}
		said := s.chat.take()
		if len(said) < 2 || said[0] != "pushbot> a\u200blice says on the page: .princess web" || !strings.Contains(said[1], "web/princess: rollout 1 by ") {
			t.Errorf("the channel hears %q", said)
		}
		if got, want := s.inputs(), []string{"bob!bob@bob.example  bob: Join", "alice!alice@alice.example  al@example.net: Step"}; !slices.Equal(got, want) {
			t.Errorf("the journal has %q, want %q", got, want)
		}
		for _, tr := range s.bot.train.Queue.Trains {
			for _, r := range tr.Riders {
				if r.Who != (train.Who{Nick: r.Nick, User: r.Nick, Host: r.Nick + ".example"}) {
					t.Errorf("%s has the seat as %+v", r.Nick, r.Who)
				}
			}
		}
	})
}

// TestPressIsForThoseThere: the page speaks for nobody who is not in the channel, by
// the account where the server has accounts, also not for one who took the nick.
func TestPressIsForThoseThere(t *testing.T) {
	alice := Person{"alice", "alice", "ally"}
	for _, c := range []struct {
		mode     string
		accounts bool
		nick     string // of who is there
		account  string
		want     string // "" = it is done
	}{
		{"auto", true, "alice", "ally", ""},
		{"auto", true, "alice|away", "ALLY", ""},
		{"auto", true, "alice", "", "nobody in #push is logged in as ally"},
		{"auto", true, "alice", "mallory", "nobody in #push is logged in as ally"},
		{"account", false, "alice", "", "nobody in #push is logged in as ally"},
		{"auto", false, "Alice", "", ""},
		{"auto", false, "alice_", "", "alice is not in #push"},
		{"nick", true, "alice", "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.end()
			s.cfg.Rules.Identity, s.hello.Accounts = c.mode, c.accounts
			s.members = []irc.Who{{Nick: c.nick, User: "a", Host: "h", Account: c.account}}
			if err := s.ensure(); err != nil {
				t.Fatal(err)
			}
			r := s.pressed(alice, "join")
			if !strings.HasPrefix(r, c.want) || (r == "") != (c.want == "") {
				t.Errorf("%+v: %q", c, r)
			}
			topic, _, _ := s.chat.shown()
			if want := map[bool]string{true: c.nick, false: "clear"}[c.want == ""]; topic != want {
				t.Errorf("%+v: the topic is %q", c, topic)
			}
			s.bot.ear.put(irc.Offline{})
			if r := s.pressed(alice, "join"); !strings.HasPrefix(r, "the bot is not in #push") {
				t.Errorf("offline: %q", r)
			}
		})
	}
}
