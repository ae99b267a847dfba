package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/bot"
)

// annotation is what went live, as a mark in a graph; Grafana's JSON sources read it as it is.
type annotation struct {
	Time    int64    `json:"time"`    // ms since 1970: when it was live
	TimeEnd int64    `json:"timeEnd"` // the same: a flip is one moment
	Title   string   `json:"title"`
	Text    string   `json:"text"`
	Tags    []string `json:"tags"`
	Stack   string   `json:"stack"`
	Stage   string   `json:"stage"`
	Who     string   `json:"who"`
	Old     string   `json:"old"`
	New     string   `json:"new"`
	URL     string   `json:"url"`
}

// deploysJSON answers with what went live between ?from= and ?to=: seconds or
// milliseconds since 1970, or RFC 3339. Without them the last 24 hours.
func (s *Server) deploysJSON(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	from, err1 := moment(r.URL.Query().Get("from"), now.Add(-24*time.Hour))
	to, err2 := moment(r.URL.Query().Get("to"), now)
	if err1 != nil || err2 != nil {
		http.Error(w, "from and to are seconds or milliseconds since 1970, or such as 2026-01-31T12:00:00Z", http.StatusBadRequest)
		return
	}
	f := filterOf(r.URL.Query())
	out := []annotation{}
	for _, e := range s.src.View().Log {
		if !e.Live() || e.At.Before(from) || e.At.After(to) || !f.keeps(&e) {
			continue
		}
		verb := "deploy"
		if e.Back {
			verb = "rollback"
		}
		out = append(out, annotation{
			Time: e.At.UnixMilli(), TimeEnd: e.At.UnixMilli(), Stack: e.Stack, Stage: e.Stage, Who: e.By, Old: e.Old.Release, New: e.New.Release,
			Title: fmt.Sprintf("%s %s", e.Stack, e.Stage), Text: fmt.Sprintf("%s: %s → %s by %s", verb, orNone(e.Old.Release), e.New.Release, e.By),
			Tags: []string{verb, e.Stack, e.Stage}, URL: fmt.Sprintf("/rollouts/%d", e.Rollout),
		})
	}
	answerJSON(w, out)
}

func moment(text string, or time.Time) (time.Time, error) {
	if text == "" {
		return or, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > 1e11 { // seconds would be after the year 5000
			return time.UnixMilli(n), nil
		}
		return time.Unix(n, 0), nil
	}
	return time.Parse(time.RFC3339, text)
}

// gauge is a metric with its values by label.
type gauge struct {
	name, kind, help string
	values           []value
}

type value struct {
	labels []string // name, value, name, value …
	is     float64
}

// metrics is for Prometheus. What is counted is counted over the deploy log at hand,
// which holds the newest 50,000 entries.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	v := s.src.View()
	var b strings.Builder
	for _, g := range gauges(v, len(s.places)) {
		fmt.Fprintf(&b, "# HELP pushtrain_%s %s\n# TYPE pushtrain_%[1]s %[3]s\n", g.name, g.help, g.kind)
		for _, x := range g.values {
			labels := ""
			for i := 0; i+1 < len(x.labels); i += 2 {
				labels += fmt.Sprintf(`,%s="%s"`, x.labels[i], labelSafe.Replace(x.labels[i+1]))
			}
			if labels != "" {
				labels = "{" + labels[1:] + "}"
			}
			fmt.Fprintf(&b, "pushtrain_%s%s %s\n", g.name, labels, strconv.FormatFloat(x.is, 'g', -1, 64))
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // whoever has gone needs no answer
}

var labelSafe = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauges(v *bot.View, streams int) []gauge {
	one := func(name, help string, is float64) gauge { return gauge{name, "gauge", help, []value{{nil, is}}} }
	trains := gauge{name: "queue_trains", kind: "gauge", help: "Trains in the lane of a stack."}
	riders := gauge{name: "queue_riders", kind: "gauge", help: "Riders in the lane of a stack."}
	held := gauge{name: "held", kind: "gauge", help: "Whether the lane of a stack is held."}
	live := gauge{name: "live_timestamp_seconds", kind: "gauge", help: "When what a stage serves went live."}
	away := gauge{name: "quarantined_hosts", kind: "gauge", help: "Hosts that a stage is served without."}
	for _, st := range v.Stacks {
		n, m := 0, 0
		for _, t := range v.Trains {
			if slices.Contains(t.Stacks, st.Name) {
				n++
			}
			for _, r := range t.Riders {
				if r.Stack == st.Name {
					m++
				}
			}
		}
		of := []string{"stack", st.Name}
		is := slices.ContainsFunc(v.Holds, func(h bot.ViewHold) bool { return h.Stack == "" || h.Stack == st.Name })
		trains.values = append(trains.values, value{of, float64(n)})
		riders.values = append(riders.values, value{of, float64(m)})
		held.values = append(held.values, value{of, number(is)})
		for _, g := range st.Stages {
			of := []string{"stack", st.Name, "stage", g.Name}
			if !g.Since.IsZero() {
				live.values = append(live.values, value{append(slices.Clone(of), "release", g.Live.Release), float64(g.Since.Unix())})
			}
			away.values = append(away.values, value{of, float64(len(g.Quarantine))})
		}
	}
	running := gauge{name: "rollout_running_seconds", kind: "gauge", help: "How long a rollout has been under way."}
	for _, r := range v.Rollouts {
		running.values = append(running.values, value{[]string{"stack", r.Stack, "stage", r.Stage, "state", string(r.State)}, v.At.Sub(r.Began).Seconds()})
	}
	type key struct{ stack, stage, outcome string }
	count, seconds := map[key]int{}, map[key]float64{}
	var keys []key
	for _, e := range v.Log {
		if e.Rollout == 0 {
			continue
		}
		k := key{e.Stack, e.Stage, strings.ToLower(string(e.Outcome))}
		if count[k] == 0 {
			keys = append(keys, k)
		}
		count[k]++
		seconds[k] += e.Took().Seconds()
	}
	ended := gauge{name: "rollouts_total", kind: "counter", help: "Rollouts that have ended."}
	lasted := gauge{name: "rollout_seconds_total", kind: "counter", help: "How long they took in all."}
	for _, k := range keys {
		of := []string{"stack", k.stack, "stage", k.stage, "outcome", k.outcome}
		ended.values = append(ended.values, value{of, float64(count[k])})
		lasted.values = append(lasted.values, value{of, seconds[k]})
	}
	return []gauge{
		{"build_info", "gauge", "The version that runs.", []value{{[]string{"version", v.Version}, 1}}},
		one("irc_online", "Whether the bot is in its channel.", number(v.Online)),
		one("journal_records", "Records in the journal.", float64(v.Records)),
		one("page_streams", "Browsers that follow the page live.", float64(streams)),
		trains, riders, held, live, away, running, ended, lasted,
	}
}
