package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pushtrain/bot"
	"pushtrain/train"
	"pushtrain/train/model"
)

// simulation is what the flags of `simulate` say.
type simulation struct {
	riders      float64
	cap, caps   int
	open        string
	days        int
	seed        uint64
	shorter     time.Duration
	config      float64
	configCycle time.Duration
	journal     bool
	talk        bool
	way         model.Way
}

func simulateCommand(o *options) *cobra.Command {
	s := simulation{way: model.Default()}
	c := &cobra.Command{
		Use: "simulate", Short: "Simulate a push train: what would the waits be with another cap, load, cycle or lane", Args: cobra.NoArgs,
		Long: simulateHelp,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.talk {
				fmt.Fprint(c.OutOrStdout(), talkTables())
				return nil
			}
			p, err := s.params(c, o)
			if err != nil {
				return err
			}
			s.run(c.OutOrStdout(), o, p)
			return nil
		},
	}
	f := c.Flags()
	f.Float64Var(&s.riders, "riders", 200, "riders who come in a `day`; with --from-journal by default as many as came")
	f.IntVar(&s.cap, "cap", 8, "riders that a train takes")
	f.IntVar(&s.caps, "caps", 0, "compare each cap from 1 to `N`")
	f.StringVar(&s.open, "open", "9-17", "`HOURS` in which pushes are made")
	f.IntVar(&s.days, "days", 100, "days to simulate")
	f.Uint64Var(&s.seed, "seed", 1, "the same seed gives the same numbers")
	f.DurationVar(&s.shorter, "shorter", 0, "make what people do not decide in a cycle shorter by this `time`")
	f.Float64Var(&s.config, "config-share", 0, "`share` of the riders who have a config lane of their own, 0 to 1")
	f.DurationVar(&s.configCycle, "config-cycle", 5*time.Minute, "about how long a cycle of the config lane takes")
	f.DurationVar(&s.way.Tests, "tests", s.way.Tests, "how much longer than the copy to princess tests take")
	f.DurationVar(&s.way.Vote, "vote", s.way.Vote, "until one rider has tried their change, on average")
	f.DurationVar(&s.way.Watch, "watch", s.way.Watch, "from live to .done")
	f.Float64Var(&s.way.Fail, "fail", s.way.Fail, "`chance` that one change fails at princess")
	f.Float64Var(&s.way.Bad, "bad", s.way.Bad, "`chance` that one change is rolled back from production")
	f.Float64Var(&s.way.Found, "found", s.way.Found, "`share` of failures whose change is found at once; else all riders leave")
	f.BoolVar(&s.journal, "from-journal", false, "take who came, and the cycles, from the last 30 days of this channel")
	f.BoolVar(&s.talk, "talk", false, "print the tables of the README")
	return c
}

const simulateHelp = `Simulate a push train: what would the waits be with another cap, load, cycle or lane.

Riders come by chance, at a rate that depends on the hour; each train's cycle is
made of its parts, or, with --from-journal, is one that this channel had. While it
is closed the clock stands still. "go doc pushtrain/train/model" says all that is
assumed, and where it is wrong.`

// params makes a channel of the flags.
func (s *simulation) params(c *cobra.Command, o *options) (model.Params, error) {
	p := model.Params{Cap: s.cap, Days: s.days, Seed: s.seed}
	if n, err := fmt.Sscanf(s.open, "%d-%d", &p.Open, &p.Close); n != 2 || err != nil || p.Open < 0 || p.Close > 24 || p.Open >= p.Close {
		return p, exit(exitUsage, "--open %s: write it such as 9-17", s.open)
	}
	share := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case s.cap < 1 || s.cap > 1000 || s.caps < 0 || s.caps > 100:
		return p, exit(exitUsage, "a train takes at least one rider: --cap 1 to 1000, --caps 1 to 100")
	case s.days < 2 || s.days > 10_000:
		return p, exit(exitUsage, "--days: 2 to 10000")
	case s.riders <= 0 || s.riders > 100_000:
		return p, exit(exitUsage, "--riders: more than 0, at most 100000")
	case !share(s.config) || !share(s.way.Fail) || !share(s.way.Bad) || !share(s.way.Found):
		return p, exit(exitUsage, "a share or a chance is a number from 0 to 1")
	case s.shorter < 0 || s.configCycle <= 0 || s.way.Tests < 0 || s.way.Vote < 0 || s.way.Watch < 0:
		return p, exit(exitUsage, "no time is less than 0")
	case s.way.Fail > 0.9 || s.way.Bad > 0.9:
		return p, exit(exitUsage, "--fail and --bad: at most 0.9, else nothing ever ships")
	}
	if s.journal {
		return s.fromJournal(c, o, p)
	}
	way := s.way.Shorter(s.shorter)
	p.Lanes = append(p.Lanes, model.Lane{Name: "web", Riders: model.Busy(s.riders*(1-s.config), p.Open, p.Close), Way: way})
	if s.config > 0 {
		p.Lanes = append(p.Lanes, model.Lane{Name: "config", Riders: model.Busy(s.riders*s.config, p.Open, p.Close), Way: configWay(way, s.configCycle)})
	}
	return p, nil
}

// configWay is a way of the same people with a cycle of about that length.
func configWay(w model.Way, cycle time.Duration) model.Way {
	by := float64(cycle) / float64(w.Idle+w.Build+w.Princess+w.Tests+w.Vote+w.Copy+w.Flip+w.Watch)
	for _, d := range []*time.Duration{&w.Idle, &w.Build, &w.Princess, &w.Tests, &w.Vote, &w.Copy, &w.Flip, &w.Watch} {
		*d = time.Duration(float64(*d) * by)
	}
	return w
}

// fromJournal takes lanes, hours and cycles from this channel's own past.
func (s *simulation) fromJournal(c *cobra.Command, o *options, p model.Params) (model.Params, error) {
	cfg, err := o.load()
	if err != nil {
		return p, err
	}
	var lanes []train.LanePast
	err = o.ask(c.Context(), cfg, bot.Request{Do: "past"}, func(r bot.Reply) {
		if r.Over { // it has come through a socket or not: either way this is what it is
			body, _ := json.Marshal(r.Data)
			_ = json.Unmarshal(body, &lanes)
		}
	})
	if err != nil {
		return p, err
	}
	total := 0.0
	for _, l := range lanes {
		for _, n := range l.Riders {
			total += n
		}
	}
	by := 1.0
	if c.Flags().Changed("riders") {
		by = s.riders / total
	}
	if !c.Flags().Changed("cap") {
		p.Cap = cfg.Train.Cap
	}
	from, to := 24, 0
	for _, l := range lanes {
		if len(l.Cycles) < 3 {
			continue
		}
		lane := model.Lane{Name: l.Stack}
		for h, n := range l.Riders {
			lane.Riders[h] = n * by
			if n > total/100 { // a rider at night does not make it open
				from, to = min(from, h), max(to, h+1)
			}
		}
		for _, past := range l.Cycles {
			lane.Past = append(lane.Past, model.Past{Took: seconds(past.Took), Live: seconds(past.Live)}.Shorter(s.shorter))
		}
		p.Lanes = append(p.Lanes, lane)
	}
	if len(p.Lanes) == 0 || from >= to {
		return p, exit(exitFailed, "simulate: the journal has fewer than three cycles of the last 30 days in each lane")
	}
	if !c.Flags().Changed("open") {
		p.Open, p.Close = from, to
	}
	return p, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// run prints what comes of it.
func (s *simulation) run(out io.Writer, o *options, p model.Params) {
	if s.caps > 0 {
		byCap := model.Caps(p, s.caps)
		if o.json {
			var rows []map[string]any
			for i, r := range byCap {
				row := resultJSON(r)
				row["cap"] = i + 1
				rows = append(rows, row)
			}
			writeJSON(out, map[string]any{"simulated": true, "caps": rows, "knee": model.Knee(byCap)})
			return
		}
		fmt.Fprint(out, capsPlot(byCap))
		return
	}
	all, lanes := model.Run(p)
	if o.json {
		var rows []map[string]any
		for _, r := range lanes {
			rows = append(rows, resultJSON(r))
		}
		writeJSON(out, map[string]any{"simulated": true, "cap": p.Cap, "open_hour": p.Open, "close_hour": p.Close, "days": p.Days, "seed": p.Seed, "all": resultJSON(all), "lanes": rows})
		return
	}
	fmt.Fprintf(out, "simulated: %d days, open %d to %d, cap %d, seed %d\n", p.Days, p.Open, p.Close, p.Cap, p.Seed)
	for _, r := range lanes {
		fmt.Fprintln(out, resultText(r))
	}
	if len(lanes) > 1 {
		all.Name = "all"
		fmt.Fprintln(out, resultText(all))
	}
	fmt.Fprint(out, "\nmean wait to \"You're up\", by the hour of joining\n"+hoursPlot(all, p.Open, p.Close))
}

func resultText(r model.Result) string {
	text := fmt.Sprintf("%-7s %.0f riders a day come, %.0f go live, in %.1f trains of %.1f; cycle %s (p95 %s), %.0f %% of trains fail at least once\n",
		r.Name+":", r.Came, r.Riders, r.Trains, r.PerTrain, minutes(r.Cycle.P50), minutes(r.Cycle.P95), 100*r.Failed)
	text += fmt.Sprintf("        wait %s (p80 %s, p95 %s); to live %s (p80 %s, p95 %s)", minutes(r.Wait.P50), minutes(r.Wait.P80), minutes(r.Wait.P95),
		minutes(r.Live.P50), minutes(r.Live.P80), minutes(r.Live.P95))
	if r.Overloaded() {
		text += fmt.Sprintf("\n        more come than go: %d wait in the end, and the waits grow with the days", r.Backlog)
	}
	return text
}

func minutes(d time.Duration) string {
	if d >= 100*time.Minute {
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// resultJSON has durations in seconds.
func resultJSON(r model.Result) map[string]any {
	spread := func(s model.Spread) map[string]any {
		return map[string]any{"count": s.N, "mean_seconds": s.Mean.Seconds(), "p50_seconds": s.P50.Seconds(), "p80_seconds": s.P80.Seconds(), "p95_seconds": s.P95.Seconds()}
	}
	var hours [24]float64
	for h, d := range r.WaitByHour {
		hours[h] = d.Seconds()
	}
	return map[string]any{"stack": r.Name, "riders_come_per_day": r.Came, "riders_live_per_day": r.Riders, "trains_per_day": r.Trains, "riders_per_train": r.PerTrain,
		"failed_share": r.Failed, "cycle": spread(r.Cycle), "wait": spread(r.Wait), "live": spread(r.Live), "wait_mean_seconds_by_hour": hours,
		"backlog": r.Backlog, "overloaded": r.Overloaded()}
}

// bar is v as a bar, width signs for most.
func bar[N time.Duration | float64](v, most N, width int) string {
	if most <= 0 {
		return ""
	}
	return strings.Repeat("#", min(width, int(float64(width)*float64(v)/float64(most)+0.5)))
}

func hoursPlot(r model.Result, open, close int) string {
	var most time.Duration
	for _, d := range r.WaitByHour[open:close] {
		most = max(most, d)
	}
	var b strings.Builder
	for h := open; h < close; h++ {
		fmt.Fprintf(&b, "  %02d:00 %8s  %s\n", h, minutes(r.WaitByHour[h]), bar(r.WaitByHour[h], most, 50))
	}
	return b.String()
}

// capsPlot draws by cap the median time to live, where a bar that is cut off ends in
// ">", and how many of those who come go live.
func capsPlot(byCap []model.Result) string {
	knee := model.Knee(byCap)
	best := byCap[knee-1].Live.P50
	var b strings.Builder
	fmt.Fprintf(&b, "simulated: from joining to live, median and p95; riders live a day, of %.0f who come\n", byCap[0].Came)
	for i, r := range byCap {
		text, draw := "grows", strings.Repeat("#", 30)+">"
		if !r.Overloaded() {
			text = minutes(r.Live.P50) + ", " + minutes(r.Live.P95)
			if r.Live.P50 < 4*best {
				draw = bar(r.Live.P50, 4*best, 30)
			}
		}
		mark := ""
		if i+1 == knee {
			mark = "  <- the knee"
		}
		fmt.Fprintf(&b, "  cap %2d  %-17s %-31s  %4.0f  %s%s\n", i+1, text, draw, r.Riders, bar(r.Riders, r.Came, 20), mark)
	}
	return b.String()
}
