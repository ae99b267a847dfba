package train

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func riderCount(q Queue) int {
	n := 0
	for _, t := range q.Trains {
		n += len(t.Riders)
	}
	return n
}

func TestFit(t *testing.T) {
	q := Notation{Rules: testRules}.Parse(`Off-Hours!! | HOLD "db is down" | <prod> alice* + bob (config) + carol "fix the cart" | after lunch | dave + erin | fred | see you tomorrow !! "code slush"`)
	for _, c := range []struct {
		limit int
		want  string
	}{
		{157, `Off-Hours!! | HOLD "db is down" | <prod> alice* + bob (config) + carol "fix the cart" | after lunch | dave + erin | fred | see you tomorrow !! "code slush"`},
		{150, `Off-Hours!! | HOLD "db is down" | <prod> alice* + bob (config) + carol "fix the cart" | after lunch | dave + erin | fred !! "code slush"`},
		{132, `Off-Hours!! | HOLD "db is down" | <prod> alice* + bob (config) + carol "fix the cart" | … +3 !! "code slush"`},
		{106, `Off-Hours!! | HOLD | <prod> alice* + bob (config) + carol | after lunch | dave + erin | fred`},
		{91, `Off-Hours!! | HOLD | <prod> alice* + bob (config) + carol | … +3`},
		{65, `HOLD | <prod> alice* + bob (config) + carol | dave + erin | fred`},
		{63, `HOLD | <prod> alice* + bob (config) + carol | … +3`},
		{50, `HOLD | <prod> alice* + bob (config) | … +4`},
		{42, `HOLD | <prod> alice* | … +5`},
		{28, `<prod> alice* | … +5`},
		{21, `… +6`},
		{6, `… +6`},
		{5, ``},
		{0, ``},
		{-1, ``},
	} {
		if got := Fit(q, c.limit); got != c.want {
			t.Errorf("in %d bytes: %s (%d)\nwant %s (%d)", c.limit, got, len(got), c.want, len(c.want))
		}
	}
}

func TestFitNobody(t *testing.T) {
	q := Notation{}.Parse(`Off-Hours!! | HOLD "why" | clear !! "code slush"`)
	for limit, want := range map[int]string{
		100: `Off-Hours!! | HOLD "why" | clear !! "code slush"`,
		40:  `Off-Hours!! | HOLD | clear`,
		20:  `HOLD | clear`,
		10:  `clear`,
		4:   ``,
	} {
		if got := Fit(q, limit); got != want {
			t.Errorf("in %d bytes: %q, want %q", limit, got, want)
		}
	}
}

// TestFitTwice shortens what was read of a shortened topic.
func TestFitTwice(t *testing.T) {
	q := Notation{}.Parse("alice + bob | carol | dave | … +3")
	if got, want := Fit(q, 30), "alice + bob | carol | … +4"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// checkFit checks what a shortened topic promises.
func checkFit(t failer, n Notation, q Queue, limit int) {
	t.Helper()
	s := Fit(q, limit)
	if len(s) > max(limit, 0) || !utf8.ValidString(s) {
		t.Fatalf("in %d bytes: %d bytes %q", limit, len(s), s)
	}
	whole := Format(q)
	if len(whole) <= limit && s != whole {
		t.Fatalf("in %d bytes: %q, want all of %q", limit, s, whole)
	}
	if s == "" {
		if least := fmt.Sprintf("… +%d", riderCount(q)); limit >= max(len(least), len("clear")) {
			t.Fatalf("in %d bytes: nothing", limit)
		}
		return
	}
	shown := n.knowing(q).Parse(s)
	if got := riderCount(shown) + shown.More; got != riderCount(q) {
		t.Fatalf("in %d bytes: %q counts %d riders, want %d", limit, s, got, riderCount(q))
	}
	if len(q.Trains) == 0 {
		return
	}
	driver := withoutTexts(withoutMessages(q))
	driver.Holds = nil
	if len(shown.Trains) == 0 {
		if floor := len(Format(first(driver, 1, 1))); limit >= floor {
			t.Fatalf("in %d bytes: %q lacks the driver, who takes %d", limit, s, floor)
		}
		return
	}
	all := q.Shown().Trains
	for i, train := range shown.Trains {
		want := all[i].Riders
		if i == 0 && len(shown.Trains) == 1 && len(train.Riders) < len(want) {
			want = want[:len(train.Riders)]
		}
		if !reflect.DeepEqual(train.Riders, want) || train.Stage != all[i].Stage {
			t.Fatalf("in %d bytes: %q shows %v as train %d, want %v", limit, s, train.Riders, i, want)
		}
	}
	if shown.More > 0 && !strings.Contains(s, " | … +") {
		t.Fatalf("in %d bytes: %q does not tell of %d", limit, s, shown.More)
	}
}

func TestFitEveryLimit(t *testing.T) {
	n := Notation{Rules: testRules}
	q := Queue{Banner: "Off-Hours!!", Message: strings.Repeat("é", 90)}
	for i := range 120 {
		train := Train{Riders: []Rider{{Nick: fmt.Sprintf("driver%d", i), Mark: Good}, {Nick: "émile"}, {Nick: "李", Stack: "config"}}}
		if i%7 == 0 {
			train.Before, train.Message = []string{"after lunch only"}, "fix the cart"
		}
		q.Trains = append(q.Trains, train)
	}
	for limit := -1; limit <= 2000; limit++ {
		checkFit(t, n, q, limit)
	}
}

func TestFitAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkFit(t, Notation{Rules: testRules}, drawQueue(t), rapid.OneOf(rapid.IntRange(0, 120), rapid.IntRange(0, 2000)).Draw(t, "limit"))
	})
}
