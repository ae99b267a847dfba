package irctest_test

import (
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
