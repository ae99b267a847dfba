package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
)

// TestOffHours on a real server: the banner, who queues, who goes all the same, and a
// reload that opens the line.
func TestOffHours(t *testing.T) {
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	alice := joined(t, server.Addr(), "alice")
	alice.Send("MODE #push -t")
	bob := joined(t, server.Addr(), "bob")
	dir := t.TempDir()
	open := configText(server.Addr(), "#push", dir, "", stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"})
	today := time.Now().UTC()
	shut := open + fmt.Sprintf("train: {holidays: [%s, %s]}\n", today.Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly))
	var now atomic.Pointer[string]
	now.Store(&shut)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serveBot(ctx, mustConfig(t, shut), zerolog.Nop(), service{read: reread(&now)})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	alice.Expect(` TOPIC #push :Off-Hours!! \| clear$`)
	alice.Say("#push", ".join")
	alice.Expect(`NOTICE alice :you ride in train 1, rider 1; outside of the hours: trains depart again \w+ 00:00 UTC; .\.hotfix "why". goes now$`)
	alice.Say("#push", ".princess")
	alice.Expect(`NOTICE alice :outside of the hours: `)
	bob.Say("#push", `.hotfix "payments are down"`)
	alice.Expect("PRIVMSG #push :b\u200bob goes next with a hotfix of web: payments are down$")
	topic(alice, `Off-Hours!! | bob "hotfix: payments are down" | alice`)
	bob.Expect(`NOTICE bob :you're up: \.princess rolls out`)
	bob.Say("#push", ".leave")
	topic(alice, "Off-Hours!! | alice")
	now.Store(&open)
	if code, err := bot.Call(ctx, dir, bot.Request{Do: "reload", By: "root"}, func(bot.Reply) {}); err != nil || code != 0 {
		t.Fatalf("reload: %d, %v", code, err)
	}
	alice.Expect(`PRIVMSG #push :alice: You're up$`)
	topic(alice, "alice")
}
