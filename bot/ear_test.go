package bot

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/bot/irc"
)

// says is a line of a person in the channel.
func says(nick, text string) irc.Said {
	return irc.Said{From: irc.Who{Nick: nick, User: nick, Host: "example"}, Text: text}
}

// drain takes all that waits, one word for each.
func (r *ear) drain() []string {
	var all []string
	for {
		x, ok := r.take()
		if !ok {
			return all
		}
		switch x := x.(type) {
		case talk:
			all = append(all, x.From.Nick+" "+x.Text)
		case deaf:
			all = append(all, "deaf to "+string(x))
		case irc.Joined:
			all = append(all, "+"+x.Who.Nick)
		case irc.Left:
			all = append(all, "-"+x.Who.Nick)
		case irc.Renamed:
			all = append(all, x.Who.Nick+"="+x.To)
		default:
			all = append(all, fmt.Sprintf("%T", x))
		}
	}
}

func hears(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// TestEarAllowances: who says too much is told once, and neither keeps others from
// being heard nor loses the words that stop something.
func TestEarAllowances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newEar(".", "pushbot")
		const each = 30 // of a person who has been silent, where others leave room
		for i := range each {
			r.put(says("mallory", fmt.Sprint(".queue ", i)))
		}
		if got := r.drain(); len(got) != each {
			t.Errorf("of %d commands by one person %d were heard: nobody else speaks", each, len(got))
		}
		for range 100 {
			r.put(says("mallory", ".queue"))
			r.put(says("mallory", ".abort"))
			r.put(says("mallory", "chat"))
		}
		want := append([]string{"deaf to mallory"}, slices.Repeat([]string{"mallory .abort"}, 5)...)
		got := r.drain()
		got = slices.DeleteFunc(got, func(s string) bool { return s == "mallory chat" })
		slices.Sort(got)
		hears(t, "a flood by one person", got, want...)
		if n := r.lost(); n != 100+95+90 {
			t.Errorf("%d lines were left out, want %d", n, 100+95+90)
		}
		for i := range 3 * each {
			r.put(says(fmt.Sprint("friend", i%3), ".queue"))
		}
		if got := r.drain(); len(got) != 3*each {
			t.Errorf("of %d commands by three %d were heard", 3*each, len(got))
		}
		r.put(says("alice", ".join"))
		r.put(says("alice", ".join; .good; .good; .good"))
		r.put(says("alice", ".join"))
		hears(t, "others", r.drain(), "alice .join", "alice .join; .good; .good; .good", "deaf to alice")

		time.Sleep(stopsLimit.again)
		r.put(says("mallory", ".uhoh"))
		r.put(says("mallory", "..."))
		hears(t, "a second later", r.drain(), "mallory .uhoh", "mallory ...")
		time.Sleep(5 * asksLimit.again)
		for range 205 {
			r.put(says("mallory", ".queue"))
		}
		if got := r.drain(); len(got) != each+1 || got[each] != "deaf to mallory" {
			t.Errorf("after a pause %d were heard, the last is %q", len(got), got[len(got)-1])
		}
	})
}

// TestEarOrder: a word that stops something goes before what others say, and before
// nothing else.
func TestEarOrder(t *testing.T) {
	r := newEar(".", "pushbot")
	r.put(says("alice", ".join"))
	r.put(irc.Joined{Who: irc.Who{Nick: "carol"}})
	r.put(says("bob", ".uhoh"))
	r.put(says("mallory", ".join"))
	r.put(says("alice", ".princess"))
	r.put(says("mallory", "chat"))
	r.put(says("mallory", ".leave"))
	r.put(says("alice", ".ABORT now"))
	r.put(says("bob", ".rollback"))
	r.put(irc.Left{Who: irc.Who{Nick: "bob"}})
	hears(t, "in order", r.drain(), "alice .join", "+carol", "bob .uhoh", "mallory .join", "alice .princess", "alice .ABORT now", "bob .rollback",
		"mallory chat", "mallory .leave", "-bob")
}

// TestEarBounds: what is worth less gives way when too much waits; who comes, goes and
// is called what is never left out.
func TestEarBounds(t *testing.T) {
	r := newEar(".", "pushbot")
	for i := range maxHeard {
		r.put(says(fmt.Sprint("c", i), "chat"))
	}
	for i := range maxHeard / 2 {
		r.put(says(fmt.Sprint("c", i), ".join"))
		r.put(irc.Renamed{Who: irc.Who{Nick: fmt.Sprint("c", i)}, To: "x"})
	}
	commands := 0
	for _, x := range r.waiting {
		if x, ok := x.(talk); ok && x.worth == asks {
			commands++
		}
	}
	if r.lines != maxHeard || commands != maxHeard/2 {
		t.Errorf("%d lines wait, %d of them commands, want %d and half of them", r.lines, commands, maxHeard)
	}
	for i := range maxHeard {
		r.put(says(fmt.Sprint("c", i), ".hold"))
		r.put(irc.Joined{Who: irc.Who{Nick: fmt.Sprint("j", i)}})
	}
	r.put(says("late", ".join"))
	count := map[string]int{}
	for _, x := range r.drain() {
		word := strings.TrimRight(x[strings.LastIndexAny(x, " +=")+1:], "0123456789")
		count[word]++
	}
	if count["chat"] != 0 || count[".join"] != 0 || count[".hold"] != maxHeard || count["x"] != maxHeard/2 || count["j"] != maxHeard {
		t.Errorf("heard %v", count)
	}
	for i := range 100 {
		r.put(says(fmt.Sprint("c", i), strings.Repeat("x", maxHeardBytes/10)))
	}
	r.put(says("alice", ".abort now"))
	got := r.drain()
	if len(got) != 10 || got[0] != "alice .abort now" {
		t.Errorf("%d long lines were kept, first %.20q", len(got), got[0])
	}
	for i := range maxEvents {
		if r.full() {
			t.Fatalf("full after %d", i)
		}
		r.put(irc.Joined{})
	}
	if !r.full() {
		t.Error("it is never full")
	}
}

// TestEarVoices: a new nick, or a new link from the same place, is no new voice, and an
// account is one anywhere; who is silent is forgotten.
func TestEarVoices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newEar(".", "pushbot")
		heard := func(from irc.Who) int {
			for range 10 {
				r.put(irc.Said{From: from, Text: ".abort"})
			}
			return len(slices.DeleteFunc(r.drain(), func(s string) bool { return strings.HasPrefix(s, "deaf") }))
		}
		for i := range 180 { // nothing is left of what all together may say
			r.put(says(fmt.Sprint("x", i%6), ".queue"))
		}
		r.drain()
		for _, c := range []struct {
			from irc.Who
			want int
		}{
			{irc.Who{Nick: "a", User: "a", Host: "h"}, 10}, // its words that stop, and its others
			{irc.Who{Nick: "b", User: "a", Host: "H"}, 0},
			{irc.Who{Nick: "a", User: "b", Host: "h"}, 10},
			{irc.Who{Nick: "a", User: "a", Host: "h", Account: "acc"}, 10},
			{irc.Who{Nick: "z", User: "z", Host: "z", Account: "ACC"}, 0},
		} {
			if got := heard(c.from); got != c.want {
				t.Errorf("of %+v %d of 10 were heard, want %d", c.from, got, c.want)
			}
		}
		for i := range 3 * fewVoices {
			if i%fewVoices == 0 {
				time.Sleep(time.Minute)
			}
			r.put(says(fmt.Sprint("n", i), "hello"))
			r.drain()
		}
		if len(r.voices) > fewVoices {
			t.Errorf("%d voices are remembered", len(r.voices))
		}
	})
}

// TestEarReads: commands are read with the nick and the prefix of their time.
func TestEarReads(t *testing.T) {
	r := newEar(".", "pushbot")
	r.put(irc.Online{Nick: "pushbot_"})
	r.put(says("a", "pushbot_: join"))
	r.put(irc.Renamed{Own: true, To: "pushbot"})
	r.put(says("a", "pushbot_: join"))
	r.put(says("a", "pushbot: join"))
	r.setPrefix("!")
	r.put(says("a", ".join"))
	r.put(says("a", "!join"))
	r.put(irc.Said{From: irc.Who{Nick: "a"}, Text: "join", Private: true})
	var got []int
	for {
		x, ok := r.take()
		if !ok {
			break
		}
		if x, ok := x.(talk); ok {
			got = append(got, len(x.commands))
		}
	}
	if !slices.Equal(got, []int{1, 0, 1, 0, 1, 1}) {
		t.Errorf("commands in the lines: %v", got)
	}
}
