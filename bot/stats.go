package bot

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/train"
)

const statsUsage = "[7d | 30d | STACK | NICK]"

var (
	periodForm = regexp.MustCompile(`^0*[1-9][0-9]*d?$`)
	nickForm   = regexp.MustCompile(`^[^0-9-][^\s:]*$`)
)

// lastDays asks for so many days of all, today the last.
func (b *Bot) lastDays(n int) train.Question {
	return train.Question{To: b.now(), Days: n, Open: b.cfg.Open, Cap: cmp.Or(b.train.Rules.Cap, 8)}
}

// question reads a period, a stack and a nick among args; 7 days of all by default.
func (b *Bot) question(args []word) (train.Question, error) {
	q := b.lastDays(7)
	for _, w := range args {
		if periodForm.MatchString(strings.ToLower(w.text)) {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.ToLower(w.text), "d"))
			if err != nil {
				n = 90 // unreachable but for a number that is too long
			}
			q.Days = min(n, 90)
		} else if s, ok := b.train.Rules.Find(w.text); ok {
			q.Stack = s.Name
		} else if nickForm.MatchString(w.text) && !w.quoted {
			q.Nick = w.name()
		} else {
			return q, &usageError{fmt.Sprintf("%q is no period, stack or nick: .stats %s", w.text, statsUsage)}
		}
	}
	return q, nil
}

// answerStats sums a period up in two lines; the words are defined at train.Tally.
func answerStats(b *Bot, _ train.Who, args []word) []string {
	q, err := b.question(args)
	if err != nil {
		return []string{err.Error()}
	}
	return statsLines(b.tally.Stats(q))
}

func statsLines(s train.Stats) []string {
	days := plural(len(s.Days), "day")
	of := ""
	if s.Stack != "" {
		of = " of " + s.Stack
	}
	switch {
	case s.Tried.All+s.Cycle.N+s.Wait.N > 0:
	case s.Nick != "":
		return []string{fmt.Sprintf("%s rode in no train%s in the last %s", s.Nick, of, days)}
	default:
		return []string{fmt.Sprintf("no pushes%s in the last %s", of, days)}
	}
	pushes := "1 push"
	if s.Pushes != 1 {
		pushes = fmt.Sprintf("%d pushes", s.Pushes)
	}
	one := fmt.Sprintf("%s %s%s in %s, %d today, %.1f a day", spark(s.Days), pushes, of, days, s.Today, s.PerDay)
	if s.Nick != "" {
		one = fmt.Sprintf("%s %s: %s%s in %s, %d today", spark(s.Days), s.Nick, pushes, of, days, s.Today)
	}
	if top := slices.Max(s.Hours[:]); top > 0 {
		one += fmt.Sprintf(", most at %02d:00", slices.Index(s.Hours[:], top))
	}
	if s.Riders > 0 {
		one += fmt.Sprintf("; %.1f riders a train", s.Riders)
	}
	if t := s.Tried; t.All > 0 {
		one += fmt.Sprintf("; %s: %s done", plural(t.All, "rollout"), percent(t.Done, t.All))
		if t.Done < t.All {
			one += fmt.Sprintf(", %s aborted, %s rolled back", percent(t.Aborted, t.All), percent(t.RolledBack, t.All))
		}
	}
	if s.Restore.N > 0 {
		one += ", restored in " + about(s.Restore.P50)
	}
	if s.Hotfix > 0 {
		one += fmt.Sprintf("; %d by .hotfix", s.Hotfix)
	}
	if names := drivers(s); names != "" {
		one += "; drove: " + names
	}
	two := fmt.Sprintf("wait %s; to live %s", spread(s.Wait), spread(s.Live))
	if s.Lead.N > 0 {
		two += "; commit to live " + about(s.Lead.P50)
	}
	two += "; cycle " + spread(s.Cycle)
	if s.Cycle.N > 0 {
		two += ", on average " + parts(s.Parts)
	}
	if all := s.Capacity(); all.Seats > 0 {
		two += fmt.Sprintf("; %s open: room for %.0f riders a day, %.0f ask", about(s.Open), all.Seats, all.Demand)
		if all.Minute > 0 {
			two += fmt.Sprintf(", a minute less a cycle: +%.0f", all.Minute)
		}
	}
	return []string{one, two}
}

func percent(n, of int) string { return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of)) }

// drivers names those who drove most, at most three.
func drivers(s train.Stats) string {
	var out []string
	for _, d := range s.Drivers[:min(3, len(s.Drivers))] {
		out = append(out, fmt.Sprintf("%s %d", d.Nick, d.Pushes))
	}
	return strings.Join(out, ", ")
}

// parts names the parts of a mean cycle, the longest first, but for those under a twentieth of it.
func parts(p train.Parts) string {
	all := p.All()[1:] // the wait comes before the cycle
	slices.SortStableFunc(all, func(a, b train.Part) int { return cmp.Compare(b.Took, a.Took) })
	var out []string
	for _, part := range all {
		if part.Took*20 >= p.Cycle() && part.Took > 0 {
			out = append(out, part.Name+" "+about(part.Took))
		}
	}
	return strings.Join(out, " + ")
}

func spread(q train.Quantiles) string {
	if q.N == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%s (p80 %s, p95 %s)", about(q.P50), about(q.P80), about(q.P95))
}

// spark draws numbers as bars of one line.
func spark(n []int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	top := max(1, slices.Max(n))
	var out strings.Builder
	for _, v := range n {
		out.WriteRune(bars[v*(len(bars)-1)/top])
	}
	return out.String()
}

// waitText is the honest wait behind n trains of a lane: 8 of 10 end in the range.
func (b *Bot) waitText(stack string, n int) string {
	w, ok := b.tally.Forecast(b.now(), stack, n)
	switch {
	case b.train.Hours.Closed && n == 0:
		return b.train.Shut()
	case b.train.Hours.Closed:
		return fmt.Sprintf("%d in front; %s", n, b.train.Shut())
	case n == 0:
		return "nobody in front"
	case !ok:
		return fmt.Sprintf("%d in front, no wait known yet", n)
	case w.Low < time.Second:
		return fmt.Sprintf("%d in front, up to %s", n, about(w.High))
	case about(w.Low) == about(w.High):
		return fmt.Sprintf("%d in front, about %s", n, about(w.High))
	}
	return fmt.Sprintf("%d in front, %s to %s", n, aboutTo(w.Low, w.High), about(w.High))
}

// aboutTo is about(low), without the unit where high has the same.
func aboutTo(low, high time.Duration) string {
	a, z := strings.Fields(about(low)), strings.Fields(about(high))
	if a[1] == z[1] {
		return "about " + a[0]
	}
	return "about " + strings.Join(a, " ")
}
