package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pushtrain/bot"
	"pushtrain/train"
)

// statsKeep is how long stats are shown before they are asked for again: however
// many look, the bot is asked once.
const statsKeep = 5 * time.Second

// statsCache holds the stats of the last few questions.
type statsCache struct {
	mu   sync.Mutex
	kept map[statsOf]statsAt
}

type statsOf struct {
	days  int
	stack string
}

type statsAt struct {
	at time.Time
	train.Stats
}

// statsFor returns the stats of a period and a stack.
func (s *Server) statsFor(ctx context.Context, of statsOf) (train.Stats, error) {
	c := &s.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.kept[of]; ok && time.Since(k.at) < statsKeep {
		return k.Stats, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	st, err := s.src.Stats(ctx, of.days, of.stack)
	if err != nil {
		return st, fmt.Errorf("ask for the stats: %w", err)
	}
	if c.kept == nil || len(c.kept) > 20 {
		c.kept = map[statsOf]statsAt{}
	}
	c.kept[of] = statsAt{time.Now(), st}
	return st, nil
}

// statsPage's body.
type statsBody struct {
	statsOf
	train.Stats
	Periods  []int
	Daily    chart
	Hourly   chart
	Parts    chart
	Waits    chart
	Outcomes []outcomes
	Where    chart
	Drivers  chart
}

// outcomes are how the rollouts of a stage ended.
type outcomes struct {
	train.StageStats
	Middle string // how long those took that went live
}

func (s *Server) statsOf(r *http.Request) statsOf {
	of := statsOf{days: 30}
	if n, err := strconv.Atoi(strings.TrimSuffix(r.URL.Query().Get("days"), "d")); err == nil && n > 0 {
		of.days = min(n, 90)
	}
	for _, st := range s.src.View().Stacks {
		if st.Name == r.URL.Query().Get("stack") {
			of.stack = st.Name
		}
	}
	return of
}

// Period and Only are for the templates.
func (o statsOf) Period() int  { return o.days }
func (o statsOf) Only() string { return o.stack }

func (s *Server) statsPage(w http.ResponseWriter, r *http.Request) {
	of := s.statsOf(r)
	st, err := s.statsFor(r.Context(), of)
	if err != nil {
		s.fail(w, err)
		return
	}
	p := s.page("Push stats", "stats", fmt.Sprintf("/stats.json?days=%d&stack=%s", of.days, template.URLQueryEscaper(of.stack)))
	b := statsBody{statsOf: of, Stats: st, Periods: []int{7, 30, 90}}
	b.Daily = daysChart(st)
	b.Hourly = hoursChart(st)
	b.Parts = partsChart(st)
	b.Waits = waitsChart(st)
	in := newest(p.Log, len(p.Log), func(e bot.Entry) bool {
		return e.Rollout != 0 && e.Host == "" && !e.At.Before(st.From) && (of.stack == "" || e.Stack == of.stack)
	})
	b.Outcomes = outcomesOf(st, in)
	b.Where = whereChart(in)
	b.Drivers = driversChart(st)
	p.Body = b
	s.show(w, http.StatusOK, "stats.html", p)
}

func (s *Server) statsJSON(w http.ResponseWriter, r *http.Request) {
	of := s.statsOf(r)
	st, err := s.statsFor(r.Context(), of)
	if err != nil {
		s.fail(w, err)
		return
	}
	answerJSON(w, map[string]any{"days": of.days, "stack": of.stack, "stats": st})
}

func daysChart(st train.Stats) chart {
	c := chart{Title: "Pushes a day", Head: []string{"day", "pushes"}, Whole: true}
	for i, n := range st.Days {
		d := st.From.AddDate(0, 0, i)
		c.Bars = append(c.Bars, bar{Name: d.Format("2 Jan"), Value: float64(n), Text: strconv.Itoa(n), Dim: d.Weekday() == time.Saturday || d.Weekday() == time.Sunday})
	}
	return c
}

func hoursChart(st train.Stats) chart {
	c := chart{Title: "Pushes by the hour of the day", Head: []string{"hour", "pushes"}, Whole: true}
	for h, n := range st.Hours {
		c.Bars = append(c.Bars, bar{Name: fmt.Sprintf("%02d", h), Value: float64(n), Text: strconv.Itoa(n)})
	}
	return c
}

// partsChart shows what a cycle is made of; see train.Parts.
func partsChart(st train.Stats) chart {
	c := chart{Title: "What a cycle is made of", Head: []string{"part", "on average"}}
	for _, p := range st.Parts.All() {
		if p.Took > 0 {
			c.Bars = append(c.Bars, bar{Name: p.Name, Value: p.Took.Seconds(), Text: span(p.Took)})
		}
	}
	return c
}

func waitsChart(st train.Stats) chart {
	c := chart{Title: "How long it takes: half of them, 8 of 10", Head: []string{"from … to", "p50", "p80", "p95"}}
	for _, x := range []struct {
		name string
		q    train.Quantiles
	}{{".join to “You’re up”", st.Wait}, {".join to live", st.Live}, {"“You’re up” to .done", st.Cycle}, {"commit to live", st.Lead}, {"gone bad to restored", st.Restore}} {
		if x.q.N > 0 {
			c.Bars = append(c.Bars, bar{Name: x.name, Value: x.q.P50.Seconds(), Text: span(x.q.P50), More: x.q.P80.Seconds(), MoreText: span(x.q.P80), LastText: span(x.q.P95)})
		}
	}
	return c
}

// outcomesOf adds to how rollouts ended how long those in the log took that went live.
func outcomesOf(st train.Stats, in []bot.Entry) []outcomes {
	var out []outcomes
	for _, g := range st.Stages {
		o := outcomes{StageStats: g}
		var took []time.Duration
		for _, e := range in {
			if e.Stack == g.Stack && e.Stage == g.Stage && e.Live() && !e.Back {
				took = append(took, e.Took())
			}
		}
		if len(took) > 0 {
			slices.Sort(took)
			o.Middle = span(took[len(took)/2])
		}
		out = append(out, o)
	}
	return out
}

// whereChart shows the middle time that rollouts which went live spent in each state.
func whereChart(in []bot.Entry) chart {
	c := chart{Title: "Where a rollout’s time goes", Head: []string{"state", "half of them within"}}
	took := map[string][]time.Duration{}
	var names []string
	for _, e := range in {
		if !e.Live() {
			continue
		}
		for _, p := range phases(e.Phases, e.At, false) {
			if took[p.Name] == nil {
				names = append(names, p.Name)
			}
			took[p.Name] = append(took[p.Name], p.Took)
		}
	}
	for _, name := range names {
		d := took[name]
		slices.Sort(d)
		m := d[len(d)/2]
		c.Bars = append(c.Bars, bar{Name: name, Value: m.Seconds(), Text: span(m)})
	}
	return c
}

func driversChart(st train.Stats) chart {
	c := chart{Title: "Who drives", Head: []string{"who", "pushes"}, Whole: true}
	for _, d := range st.Drivers[:min(len(st.Drivers), 10)] {
		c.Bars = append(c.Bars, bar{Name: d.Nick, Value: float64(d.Pushes), Text: strconv.Itoa(d.Pushes)})
	}
	return c
}
