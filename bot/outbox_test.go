package bot

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pushtrain/train"
)

func TestOutbox(t *testing.T) {
	at := time.Date(2013, 11, 23, 12, 0, 0, 0, time.UTC)
	joined := func(n int) []answer {
		var out []answer
		for i := range n {
			out = append(out, answer{fmt.Sprintf("p%d", i), "you ride", boarded})
		}
		return out
	}
	chatter := func(n int) []line {
		var out []line
		for i := range n {
			out = append(out, line{Text: fmt.Sprint("talk ", i), Talk: true})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		answers []answer
		lines   []line
		busy    bool
		backlog int
		after   time.Duration // between the first of them and flush
		want    []string
		left    bool // something still waits
	}{
		{name: "nothing"},
		{name: "four go one by one", answers: joined(4), want: []string{"-p0- you ride", "-p1- you ride", "-p2- you ride", "-p3- you ride"}},
		{name: "five are summed up", answers: joined(5), want: []string{"pushbot> 5 joined; .queue tells your place"}},
		{name: "refusals are summed up with the last one", answers: []answer{
			{"a", "no", refused}, {"b", "no", refused}, {"c", "no", refused}, {"d", "no", refused}, {"e", "you are in already", refused}},
			want: []string{"pushbot> 5 were refused, the last (e): you are in already"}},
		{name: "each kind for itself", answers: append(joined(5), answer{"bob", "no", refused}),
			want: []string{"pushbot> 5 joined; .queue tells your place", "-bob- no"}},
		{name: "listings are never summed up", answers: []answer{
			{"a", "1", plain}, {"a", "2", plain}, {"a", "3", plain}, {"a", "4", plain}, {"a", "5", plain}},
			want: []string{"-a- 1", "-a- 2", "-a- 3", "-a- 4", "-a- 5"}},
		{name: "the same answer goes once", answers: []answer{{"a", "no", refused}, {"a", "no", refused}}, want: []string{"-a- no"}},
		{name: "a busy link lets answers and lines with a key wait", busy: true, after: time.Second, answers: joined(1),
			lines: []line{{Key: "up 1", Text: "alice: You're up"}, {Text: "the line is held"}}, want: []string{"pushbot> the line is held"}, left: true},
		{name: "but not for ever", busy: true, after: 2 * time.Second, answers: joined(1), lines: []line{{Key: "up 1", Text: "alice: You're up"}},
			want: []string{"pushbot> alice: You're up", "-p0- you ride"}},
		{name: "unless they would wait there", backlog: maxSingle + 1, after: time.Hour, answers: joined(1), lines: []line{{Text: "it is live"}},
			want: []string{"pushbot> it is live"}, left: true},
		{name: "of two lines with a key the newer one is said", lines: []line{{Key: "up 1", Text: "alice: You're up"}, {Key: "x", Text: "x"}, {Key: "up 1", Text: "alice, bob: You're up"}},
			want: []string{"pushbot> x", "pushbot> alice, bob: You're up"}},
		{name: "a newer one without text takes the older one back", busy: true, lines: []line{{Key: "phase web", Text: "flipping"}, {Key: "phase web", Text: ""}, {Text: "it is live"}},
			want: []string{"pushbot> it is live"}},
		{name: "talk waits longer, outcomes do not wait for it", busy: true, after: 9 * time.Second, answers: joined(1), lines: append(chatter(2), line{Text: "it is live"}),
			want: []string{"pushbot> it is live", "-p0- you ride"}, left: true},
		{name: "and then only the last of it is said", busy: true, after: 10 * time.Second, lines: append(chatter(6), line{Text: "it is live"}),
			want: []string{"pushbot> 2 lines of talk are left out: the topic says what came of them", "pushbot> talk 2", "pushbot> talk 3", "pushbot> talk 4", "pushbot> talk 5", "pushbot> it is live"}},
		{name: "an idle link says it in order", lines: append(chatter(1), line{Text: "it is live"}), want: []string{"pushbot> talk 0", "pushbot> it is live"}},
		{name: "too much of it gives way to other lines", busy: true, lines: append([]line{{Key: "phase web", Text: "flipping"}}, chatter(100)...), after: 2 * time.Second,
			want: []string{"pushbot> flipping"}, left: true},
		{name: "lines without a key are all said", lines: []line{{Text: "one"}, {Text: "one"}}, want: []string{"pushbot> one", "pushbot> one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o outbox
			for _, a := range c.answers {
				o.answer(at, a)
			}
			for _, l := range c.lines {
				o.say(at, l)
			}
			chat := &channel{busy: c.busy, backlog: c.backlog}
			o.flush(at.Add(c.after), chat)
			if got := chat.take(); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if left := len(o.answers)+len(o.lines) > 0; left != c.left {
				t.Errorf("something still waits: %v, want %v", left, c.left)
			}
		})
	}
}

// TestOutboxBound: people who ask again and again do not fill the bot up, and one of
// them leaves room for others.
func TestOutboxBound(t *testing.T) {
	var o outbox
	for i := range 1000 {
		o.answer(time.Time{}, answer{"mallory", fmt.Sprint(i), plain})
	}
	if len(o.answers) != maxEach {
		t.Errorf("%d listings wait for one person, want at most %d", len(o.answers), maxEach)
	}
	for i := range 1000 {
		o.answer(time.Time{}, answer{fmt.Sprintf("p%d", i), "1", plain})
	}
	if len(o.answers) != maxPlain {
		t.Errorf("%d listings wait, want at most %d", len(o.answers), maxPlain)
	}
}

// What waits on a busy link is not said when the train is past it.
func TestPast(t *testing.T) {
	b := &Bot{clock: time.Now}
	for _, id := range []int{1, 2} {
		b.talk(upKey(id), "You're up")
		b.channel(readyKey(id), "Everyone is ready")
	}
	b.tellArrived(train.Arrived{Train: 1, Stage: "prod", Stacks: []string{"web"}})
	var keys []string
	for _, l := range b.outbox.lines {
		keys = append(keys, l.Key)
	}
	if want := []string{upKey(2), readyKey(2), ""}; !slices.Equal(keys, want) {
		t.Errorf("%q wait, want %q", keys, want)
	}
}
