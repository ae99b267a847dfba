package irc

import (
	"context"
	"strings"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

var accounts = ircd.Options{Accounts: map[string]string{"pushbot": "secret"}}

func login(c *Config) { c.SASL = &SASL{Mechanism: "plain", Account: "pushbot", Password: "secret"} }

func TestLinkEnds(t *testing.T) {
	for name, fault := range map[string]struct {
		strike func(*ircd.Server)
		want   string
	}{
		"killed":  {func(s *ircd.Server) { s.Kill("bot") }, "Closing Link: Killed"},
		"dropped": {(*ircd.Server).Drop, "the link ended"},
		// A line that panics in girc.
		"login": {func(s *ircd.Server) { s.Inject("bot", "AUTHENTICATE +") }, "girc panicked on AUTHENTICATE"},
		"error": {func(s *ircd.Server) { s.Inject("bot", "ERROR :no more") }, "the server closed the link: no more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := listen(t, ircd.Options{})
			r := open(t, server.Addr())
			next[Online](r, nil)
			fault.strike(server)
			if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), fault.want) || e.Retry <= 0 || e.Retry > backoffFirst {
				t.Errorf("offline: %v, retry %v; want %q", e.Err, e.Retry, fault.want)
			}
			next[Online](r, nil)
		})
	}
}

// TestTwins: girc knows one way of comparing nicks, and loses its state where a server
// has another. That costs a link at most.
func TestTwins(t *testing.T) {
	t.Parallel()
	server := listen(t, ircd.Options{})
	r := open(t, server.Addr())
	next[Online](r, nil)
	for _, line := range []string{":x!u@h JOIN #push", ":a[b!u@h JOIN #push", ":x!u@h NICK a{b", ":a{b!u@h QUIT :gone", ":a[b!u@h KICK #push bot :out", ":a[b!u@h PRIVMSG #push :again"} {
		server.Inject("bot", line)
	}
	next[Offline](r, nil)
	server.Drop() // the server does not know that it has kicked the bot
	next[Online](r, nil)
}

// TestStrangeLines are no reason to leave.
func TestStrangeLines(t *testing.T) {
	server := listen(t, ircd.Options{})
	r := open(t, server.Addr())
	next[Online](r, nil)
	for _, line := range []string{
		":x JOIN", ":x PART", ":x KICK #push", ":x MODE", ":x MODE #push", ":x MODE #push +ovb", ":x NICK", ":x QUIT", ":x PRIVMSG",
		":x PRIVMSG #push", ":x TOPIC", ":s 332", ":s 333 bot #push", ":s 354 bot 77", ":s 315", ":s 324 bot #push", ":s 005",
		":s 005 bot PREFIX=x CHANMODES=", ":s PONG", ":s CAP", ":s CAP bot ACK", ":s 433 bot", "PRIVMSG #push :nobody", "JOIN #push", "QUIT",
		":s 482", ":s 471 bot #push :x", ":x ACCOUNT *", ":x CHGHOST a b",
		":s 353 bot", ":s 352 bot", "AWAY :gone", "ACCOUNT x", "CHGHOST a b", ":x INVITE bot #other", ":x JOIN #other", ":bot!b@h PART #other", "zzz",
	} {
		server.Inject("bot", line)
	}
	server.Inject("bot", ":alice!a@h PRIVMSG #push :still there?")
	for {
		select {
		case e := <-r.events:
			switch e := e.(type) {
			case Offline:
				t.Fatalf("offline: %v", e.Err)
			case Said:
				if e.Text == "still there?" {
					return
				}
			}
		case <-time.After(irctest.Patience):
			t.Fatal("the line did not arrive")
		}
	}
}

func TestLogin(t *testing.T) {
	for name, c := range map[string]struct {
		opts   ircd.Options
		change func(*Config)
		want   string // the reason of Offline; "" for Online
	}{
		"right":              {accounts, login, ""},
		"wrong":              {accounts, func(c *Config) { login(c); c.SASL.Password = "x" }, "SASL authentication failed"},
		"skipped":            {ircd.Options{}, login, errNoSASL.Error()},
		"server password":    {ircd.Options{Password: "open"}, func(c *Config) { c.Password = "open" }, ""},
		"no server password": {ircd.Options{Password: "open"}, func(*Config) {}, "Password incorrect"},
	} {
		t.Run(name, func(t *testing.T) {
			server := listen(t, c.opts)
			r := open(t, server.Addr(), c.change)
			if c.want == "" {
				next[Online](r, nil)
				return
			}
			select {
			case e := <-r.events:
				if off, ok := e.(Offline); !ok || !strings.Contains(off.Err.Error(), c.want) {
					t.Errorf("%T%+v, want Offline: %s", e, e, c.want)
				}
			case <-time.After(irctest.Patience):
				t.Error("no Offline")
			}
		})
	}
}

func TestConfigIsRefused(t *testing.T) {
	good := Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push"}
	for want, change := range map[string]func(*Config){
		"host:port":     func(c *Config) { c.Server = "irc.example.net" },
		"not a nick":    func(c *Config) { c.Nick = "push bot" },
		"not a user":    func(c *Config) { c.User = "a b" },
		"not a channel": func(c *Config) { c.Channel = "push" },
		"no blanks":     func(c *Config) { c.Password = "a\r\nQUIT" },
		"mechanism":     func(c *Config) { c.SASL = &SASL{Mechanism: "scram"} },
		"too long":      func(c *Config) { c.SASL = &SASL{Mechanism: "PLAIN", Password: strings.Repeat("x", 400)} },
	} {
		cfg := good
		change(&cfg)
		if err := New(cfg).Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run: %v, want %q", err, want)
		}
	}
}

// TestAccounts follows alice through what services do, and takes her account
// only from what the server says.
func TestAccounts(t *testing.T) {
	server := listen(t, accounts)
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	server.Login("alice", "alice")
	r := open(t, server.Addr(), login)
	online := next[Online](r, nil)
	if !online.Accounts || online.Members[0].Account != "alice" {
		t.Errorf("online: %+v", online)
	}
	said := func(want string) {
		t.Helper()
		alice.Say("#push", "hello")
		if e := next[Said](r, nil); e.From.Account != want {
			t.Errorf("said by %+v, want the account %q", e.From, want)
		}
	}
	said("alice")
	server.Login("alice", "")
	if e := next[Identified](r, nil); e.Old.Account != "alice" || e.New.Account != "" {
		t.Errorf("identified: %+v", e)
	}
	said("")
	server.Login("alice", "alicia")
	if e := next[Identified](r, nil); e.New.Account != "alicia" {
		t.Errorf("identified: %+v", e)
	}
	said("alicia")
	server.Inject("bot", ":alice!~alice@127.0.0.1 PRIVMSG #push :untagged")
	if e := next[Said](r, nil); e.From.Account != "" {
		t.Errorf("a line without a tag was said by %+v", e.From)
	}
	alice.Send("PART #push")
	next[Left](r, nil)
	alice.Send("JOIN #push")
	if e := next[Joined](r, nil); e.Who.Account != "alicia" {
		t.Errorf("joined: %+v", e)
	}
	server.Inject("bot", ":alice!~alice@127.0.0.1 CHGHOST ~a cloak")
	if e := next[Identified](r, nil); e.New.Host != "cloak" || e.New.Account != "alicia" {
		t.Errorf("identified: %+v", e)
	}
}

// TestNeverSaid: a server that replays history, and other lines that no person
// spoke in the channel just now.
func TestNeverSaid(t *testing.T) {
	server := listen(t, accounts)
	r := open(t, server.Addr(), login)
	next[Online](r, nil)
	old := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	for _, line := range []string{
		"@batch=1 :a!a@h PRIVMSG #push :in a batch",
		"@time=" + old + " :a!a@h PRIVMSG #push :an hour old",
		"@batch=1 :a!a@h TOPIC #push :in a batch",
		"@time=" + old + " :a!a@h TOPIC #push :an hour old",
		"@time=" + old + ";account=a :a!a@h PRIVMSG bot :an hour old, alone",
		"@draft/relaymsg=bridge :a/elsewhere!a@h PRIVMSG #push :over a bridge",
		":***!znc@znc.in PRIVMSG #push :Buffer Playback...",
		":a!a@h PRIVMSG #push :.join [12:34:56]",
		":***!znc@znc.in PRIVMSG #push :Playback Complete.",
		":a!a@h NOTICE #push :a notice",
		":a!a@h PRIVMSG #push :\x01ACTION acts\x01",
		":a!a@h PRIVMSG #push :\x01unfinished",
		":a!a@h PRIVMSG #other :elsewhere",
		":a!a@h PRIVMSG @#push :to operators",
		":bot!b@h PRIVMSG #push :my own",
		"@bot :a!a@h PRIVMSG #push :a bot",
		"@inspircd.org/bot;account=a :a!a@h PRIVMSG #push :a bot",
		"@account=mallory :a!a@h NOTICE bot :private",
	} {
		server.Inject("bot", line)
	}
	server.Inject("bot", "@account=alice :a!a@h PRIVMSG #PUSH :live")
	next(r, func(e Event) bool {
		switch e := e.(type) {
		case Said:
			if e.Text != "live" || e.From.Account != "alice" {
				t.Errorf("said: %+v", e)
			}
			return e.Text == "live"
		case Topic:
			if !e.OnJoin {
				t.Errorf("topic: %+v", e)
			}
		}
		return false
	})
}

// TestPersonWins: a topic that waited while the bot was away does not overwrite
// what a person set meanwhile, but is set when nobody did.
func TestPersonWins(t *testing.T) {
	for name, edited := range map[string]bool{"edited": true, "untouched": false} {
		t.Run(name, func(t *testing.T) {
			server := listen(t, ircd.Options{})
			alice := irctest.Dial(t, server.Addr(), "alice")
			alice.Join("#push")
			alice.Send("TOPIC #push :before")
			r := open(t, server.Addr())
			next[Online](r, nil)
			next[Topic](r, nil)
			alice.Send("MODE #push +k x")
			alice.Send("KICK #push bot")
			next[Offline](r, nil)
			r.link.SetTopic("the bot's")
			if edited {
				alice.Send("TOPIC #push :a person's")
			}
			alice.Send("MODE #push -k x")
			alice.Sync()
			next[Online](r, nil)
			want := "before"
			if edited {
				want = "a person's"
			}
			if e := next[Topic](r, nil); e.Text != want || !e.OnJoin {
				t.Errorf("topic: %+v, want %q", e, want)
			}
			r.link.Say(Chatter, "marker")
			topics := 0
			alice.ExpectFunc(irctest.Patience, "the marker", func(line string) bool {
				if strings.Contains(line, "TOPIC #push :the bot's") {
					topics++
				}
				return strings.Contains(line, "marker")
			})
			if edited != (topics == 0) {
				t.Errorf("the bot set its topic %d times", topics)
			}
		})
	}
}

// TestFrozen stops a real server: the bot must see within 50 s that the link is
// dead, and come back when the server does.
func TestFrozen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	r := open(t, server.Addr())
	next[Online](r, nil)
	server.Freeze()
	began := time.Now()
	e := nextIn[Offline](r, 50*time.Second, nil)
	t.Logf("offline after %v: %v", time.Since(began), e.Err)
	server.Thaw()
	next[Online](r, nil)
}

func TestEndWhileConnecting(t *testing.T) {
	server := listen(t, ircd.Options{})
	server.Freeze()
	link := New(Config{Server: server.Addr(), Nick: "bot", Channel: "#push"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- link.Run(ctx, make(chan Event)) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(2 * endLimit):
		t.Error("Run does not end")
	}
}
