package main

import (
	"fmt"
	"strings"
	"time"

	"pushtrain/train/model"
)

// This file is the talk's own arithmetic, and what the model makes of its limit of
// about 8. The README shows what it prints.

const (
	talkDays = 60
	talkCaps = 16
)

// talkChannel is a lane that is open for 8 hours.
func talkChannel(riders float64, way model.Way) model.Params {
	return model.Params{Open: 9, Close: 17, Days: talkDays, Seed: 1, Cap: 8, Lanes: []model.Lane{{Name: "web", Riders: model.Busy(riders, 9, 17), Way: way}}}
}

func talkTables() string {
	return arithmetic() + "\n" + capTable() + "\n" + kneeTable() + "\n" + laneTable()
}

// arithmetic is the talk's: nothing varies, nothing fails, and there is always somebody waiting.
func arithmetic() string {
	var b strings.Builder
	b.WriteString("| always a queue, each deploy as long as the other | deploys in 8 h | riders, 8 a train |\n|---|---|---|\n")
	for _, m := range []int{30, 15, 10, 5} {
		p := talkChannel(8*480/float64(m)*1.3, model.Way{Copy: time.Duration(m) * time.Minute})
		p.Lanes[0].Riders = model.Flat(8*480/float64(m)*1.3, 9, 17)
		all, _ := model.Run(p)
		fmt.Fprintf(&b, "| %d min | %.0f | %.0f |\n", m, all.Trains, all.Riders)
	}
	return b.String()
}

// loads are riders a day.
var loads = []float64{90, 175, 320}

// capTable is what a cap does at three loads.
func capTable() string {
	var b strings.Builder
	b.WriteString("| cap |")
	var columns [][]model.Result
	for _, load := range loads {
		fmt.Fprintf(&b, " %.0f riders a day |", load)
		columns = append(columns, model.Caps(talkChannel(load, model.Default()), talkCaps))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(loads)) + "\n")
	for i := range talkCaps {
		fmt.Fprintf(&b, "| %d |", i+1)
		for _, c := range columns {
			text := liveCell(c[i])
			if model.Knee(c) == i+1 {
				text = "**" + text + "**"
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// liveCell is the median and the p95 from joining to live, and how many go live where not all do.
func liveCell(r model.Result) string {
	if r.Overloaded() {
		return fmt.Sprintf("grows: %.0f a day go live", r.Riders)
	}
	return fmt.Sprintf("%s, %s", minutes(r.Live.P50), minutes(r.Live.P95))
}

// kneeTable moves one parameter at a time.
func kneeTable() string {
	base := model.Default()
	change := func(f func(w *model.Way)) model.Way {
		w := base
		f(&w)
		return w
	}
	var b strings.Builder
	b.WriteString("| 175 riders a day, and | the knee | there: to live | cap 16: to live |\n|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		load float64
		way  model.Way
	}{
		{"nothing else", 175, base},
		{"half as many riders", 87.5, base},
		{"a cycle that is 5 min shorter", 175, base.Shorter(5 * time.Minute)},
		{"a cycle that is 5 min longer (tests)", 175, change(func(w *model.Way) { w.Tests += 5 * time.Minute })},
		{"riders who take three times as long to vote", 175, change(func(w *model.Way) { w.Vote *= 3 })},
		{"6 % of changes fail, not 2 %", 175, change(func(w *model.Way) { w.Fail = 0.06 })},
		{"12 % fail, and all riders leave then", 175, change(func(w *model.Way) { w.Fail, w.Found = 0.12, 0 })},
	} {
		byCap := model.Caps(talkChannel(row.load, row.way), talkCaps)
		knee := model.Knee(byCap)
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", row.name, knee, liveCell(byCap[knee-1]), liveCell(byCap[talkCaps-1]))
	}
	return b.String()
}

// laneTable compares what a second lane and shorter deploys bring, with a cap of 8.
func laneTable() string {
	var b strings.Builder
	b.WriteString("| 220 riders a day, cap 8 | to live | p95 | trains a day |\n|---|---|---|---|\n")
	split := talkChannel(220*0.8, model.Default())
	split.Lanes = append(split.Lanes, model.Lane{Name: "config", Riders: model.Busy(220*0.2, 9, 17), Way: configWay(model.Default(), 5*time.Minute)})
	bigger := talkChannel(220, model.Default())
	bigger.Cap = 12
	both := split
	both.Lanes = []model.Lane{split.Lanes[0], split.Lanes[1]}
	both.Lanes[0].Way = model.Default().Shorter(2 * time.Minute)
	for _, row := range []struct {
		name string
		p    model.Params
	}{
		{"one lane", talkChannel(220, model.Default())},
		{"a fifth of them in a config lane of 5 min", split},
		{"one lane, deploys 2 min shorter", talkChannel(220, model.Default().Shorter(2*time.Minute))},
		{"one lane, deploys 5 min shorter", talkChannel(220, model.Default().Shorter(5*time.Minute))},
		{"one lane, cap 12", bigger},
		{"config lane and 2 min shorter", both},
	} {
		all, lanes := model.Run(row.p)
		p50, p95 := minutes(all.Live.P50), minutes(all.Live.P95)
		if all.Overloaded() {
			p50 = "grows"
		}
		if len(lanes) > 1 {
			p50 += fmt.Sprintf(" (web %s, config %s)", minutes(lanes[0].Live.P50), minutes(lanes[1].Live.P50))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f |\n", row.name, p50, p95, all.Trains)
	}
	return b.String()
}
