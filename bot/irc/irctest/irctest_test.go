package irctest_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pushtrain/bot/irc/irctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNgircd(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	bob := irctest.Dial(t, server.Addr(), "bob")
	bob.Join("#push")
	bob.Say("#push", "hello there")
	if got := alice.Expect(`^:bob!\S+ PRIVMSG #push :(.*)$`)[1]; got != "hello there" {
		t.Errorf("alice heard %q", got)
	}
	bob.Say("alice", "psst")
	bob.Sync()
	if lines := alice.Sync(); len(lines) != 1 {
		t.Errorf("alice has unread lines %q, want the one from bob", lines)
	}
	server.Restart()
	alice.ExpectEnd()
	carol := irctest.Dial(t, server.Addr(), "carol")
	carol.Join("#push")
	server.Freeze()
	server.Thaw()
	carol.Sync()
	server.Stop()
	carol.Expect(`^ERROR `)
}

func TestInspircd(t *testing.T) {
	network := irctest.Inspircd(t, irctest.NetworkOptions{})
	bob := irctest.Dial(t, network.Addr(0), "bob")
	bob.Send("CAP REQ :account-tag extended-join")
	bob.Join("#push")
	irctest.Dial(t, network.Addr(0), "alice").Register("alicia")
	alice := irctest.DialAs(t, network.Addr(1), irctest.Person{Nick: "al", User: "al", Account: "alicia"})
	alice.Join("#push")
	bob.Expect(`^\S+ :al!al@\S+ JOIN #push alicia `)
	network.Split()
	bob.Expect(` :al!al@\S+ QUIT :a.test b.test$`)
	network.Link()
	bob.Expect(` :al!al@\S+ JOIN #push alicia `)
	alice.Say("#push", "back")
	bob.Expect(`^@account=alicia :al!al@\S+ PRIVMSG #push :back$`)
	network.Kill("al")
	bob.Expect(` :al!al@\S+ QUIT `)
}

func TestHybrid(t *testing.T) {
	server := irctest.Hybrid(t)
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	bob := irctest.Dial(t, server.Addr(), "bob")
	bob.Join("#push")
	bob.Say("#push", "hello there")
	alice.Expect(`^:bob!\S+ PRIVMSG #push :hello there$`)
	bob.Send(strings.Repeat("PRIVMSG #push :a flood, as the server sees it\r\n", 300))
	alice.Expect(`^:bob!\S+ QUIT :Excess Flood$`)
	server.Restart()
	alice.ExpectEnd()
	irctest.Dial(t, server.Addr(), "carol").Join("#push")
}
