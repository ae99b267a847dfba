package bot

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/train"
)

// TestStaleTopic: two servers that link agree on a channel's topic. One of them takes
// the newer channel's away, and gives it the older one's, which the bot wrote long
// before. No person did either, and nobody loses a seat by it.
func TestStaleTopic(t *testing.T) {
	net := irctest.Inspircd(t, irctest.NetworkOptions{})
	far := irctest.Dial(t, net.Addr(1), "far")
	far.Join("#push")
	var step atomic.Int64
	b, _ := ahead(t, net.Addr(0), t.TempDir(), &step)
	far.Expect(`^:pushbot!\S+ JOIN `)
	far.Expect(` TOPIC #push :clear$`)

	net.Split()
	rider := irctest.Dial(t, net.Addr(0), "rider")
	rider.Join("#push")
	rider.Say("#push", ".join")
	rider.Expect(` TOPIC #push :rider$`)
	other := irctest.Dial(t, net.Addr(0), "other")
	other.Join("#push")
	for i := range 8 { // so many that the newest of its texts do not have the old one
		by := rider
		if i > 3 {
			by = other // of each person five commands are read
		}
		by.Say("#push", fmt.Sprintf(".message m%d", i))
		by.Expect(fmt.Sprintf(` TOPIC #push :.*m%d`, i))
	}
	other.Say("#push", ".message -")
	other.Expect(` TOPIC #push :rider$`)
	other.Send("PART #push")
	other.Sync()
	step.Add(int64(time.Hour)) // nobody has the topic of before in front of them
	rider.Send("PART #push")
	rider.Sync()
	net.Kick("#push", "pushbot") // the channel is no more, until the bot makes it anew
	rider.Send("TOPIC #push")
	rider.ExpectFunc(irctest.Patience, "the new topic", func(line string) bool {
		if strings.Contains(line, " 331 ") || strings.Contains(line, " 403 ") {
			rider.Send("TOPIC #push")
		}
		return strings.HasSuffix(line, " #push :rider")
	})

	net.Link()
	far.Expect(`^:pushbot!\S+ JOIN `)
	met(far, "#push")
	queue, err := call(t.Context(), b, func(answer chan<- string) { answer <- train.Format(b.train.Queue) })
	if err != nil || queue != "rider" {
		t.Fatalf("the queue is %q, %v", queue, err)
	}
	far.Send("TOPIC #push")
	far.Expect(` (TOPIC|332 far) #push :rider$`)
}
