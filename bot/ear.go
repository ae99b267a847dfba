package bot

import (
	"slices"
	"strings"
	"sync"
	"time"

	"pushtrain/bot/irc"
	"pushtrain/train"
)

// ear holds what has happened in the channel until Run takes it, in order. Of what
// people say it lets in what their allowances have room for; nothing else is ever left
// out, for who is who depends on it. Any goroutine fills it; Run empties it.
type ear struct {
	wake  chan struct{} // one token while something waits
	taken chan struct{} // one token when something was taken
	stops []string      // names and aliases of commands that stop something

	mu      sync.Mutex
	prefix  string
	nick    string // the bot's own
	waiting []any  // irc.Event, talk, deaf; oldest first
	lines   int    // of talk among them ...
	bytes   int    // ... and their texts
	dropped int    // lines since lost was asked
	common  allowance
	voices  map[string]*voice
	most    int // voices, before those are forgotten that have been silent
}

// talk is a line with the commands in it: none in chat.
type talk struct {
	irc.Said
	commands [][]word
	worth    worth
	by       string // whose voice it is
}

// worth says which lines give way to others.
type worth int

const (
	chat worth = iota
	asks
	stops // something: it is not kept waiting by what others say
)

// deaf is that the bot has begun to leave out commands of a nick.
type deaf string

// voice is what one person has said of late.
type voice struct {
	chat, asks, more, stops allowance
	told                    bool // that they say too much
}

// allowance is what has been used of a limit, and of which time that is true.
type allowance struct {
	used float64
	at   time.Time
}

// limit is what may be said at once, and after how long once more.
type limit struct {
	most  float64
	again time.Duration
}

var (
	chatLimit   = limit{10, 500 * time.Millisecond} // of a person: lines
	asksLimit   = limit{5, 4 * time.Second}         // of a person: commands, ...
	moreLimit   = limit{25, 500 * time.Millisecond} // ... beyond that, where others leave room, ...
	commonLimit = limit{100, 20 * time.Millisecond} // ... in what all together may say more
	stopsLimit  = limit{5, time.Second}             // of a person: commands that stop something
)

const (
	maxHeard      = 1024    // lines that wait, ...
	maxHeardBytes = 1 << 20 // ... and their texts
	maxEvents     = 4096    // other things that wait before the server does
	fewVoices     = 1000    // that are remembered without a look at who is silent
)

func newEar(prefix, nick string) *ear {
	r := &ear{wake: make(chan struct{}, 1), taken: make(chan struct{}, 1), prefix: prefix, nick: nick, voices: map[string]*voice{}, most: fewVoices}
	for _, c := range Commands(train.Rules{}) {
		if c.stops {
			r.stops = append(append(r.stops, c.Name), c.Aliases...)
		}
	}
	return r
}

// setPrefix is for lines that come from now on.
func (r *ear) setPrefix(prefix string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prefix = prefix
}

// full reports that the server should wait until something was taken.
func (r *ear) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)-r.lines >= maxEvents
}

// put takes in what has happened.
func (r *ear) put(e irc.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer token(r.wake)
	switch e := e.(type) {
	case irc.Said:
		r.hear(r.read(e), time.Now())
		return
	case irc.Online:
		r.nick = e.Nick
	case irc.Renamed:
		if e.Own {
			r.nick = e.To
		}
	}
	r.waiting = append(r.waiting, e)
}

// take removes and returns what has waited longest.
func (r *ear) take() (any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil, false
	}
	x := r.remove(0)
	if len(r.waiting) > 0 {
		token(r.wake)
	}
	token(r.taken)
	return x, true
}

// lost returns how many lines were left out since it was last asked.
func (r *ear) lost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.dropped
	r.dropped = 0
	return n
}

// read finds the commands in a line.
func (r *ear) read(e irc.Said) talk {
	text := e.Text
	if e.Private && !strings.HasPrefix(strings.TrimSpace(text), r.prefix) {
		text = r.prefix + strings.TrimSpace(text) // alone with the bot, the prefix may be left out
	}
	s := talk{Said: e, commands: split(text, r.prefix, r.nick), by: strings.ToLower(e.From.User + "@" + e.From.Host)}
	switch {
	case e.From.Account != "":
		s.by = strings.ToLower(e.From.Account)
	case e.From.Host == "":
		s.by = strings.ToLower(e.From.Nick)
	}
	if len(s.commands) > 0 {
		s.worth = asks
	}
	for _, w := range s.commands {
		if slices.Contains(r.stops, strings.ToLower(w[0].text)) {
			s.worth = stops
		}
	}
	return s
}

// hear lets s in if there is room for it.
func (r *ear) hear(s talk, now time.Time) {
	v := r.voice(s.by, now)
	if !r.allowed(v, s, now) || !r.room(s) {
		r.dropped++
		if s.worth > chat && !v.told {
			v.told = true
			r.waiting = append(r.waiting, deaf(s.From.Nick))
		}
		return
	}
	i := len(r.waiting)
	for s.worth == stops && i > 0 && givesWay(r.waiting[i-1], s.by) {
		i--
	}
	r.waiting = slices.Insert(r.waiting, i, any(s))
	r.lines++
	r.bytes += len(s.Text)
}

// givesWay reports whether a word of by that stops something may go before x: not
// before what has happened, nor what by or others like it have said.
func givesWay(x any, by string) bool {
	s, ok := x.(talk)
	return ok && s.by != by && s.worth < stops
}

// allowed takes s from an allowance that has room for it.
func (r *ear) allowed(v *voice, s talk, now time.Time) bool {
	n := float64(len(s.commands))
	if s.worth == chat {
		return v.chat.take(chatLimit, 1, now)
	}
	if v.asks.rested(asksLimit, now) {
		v.told = false
	}
	return s.worth == stops && v.stops.take(stopsLimit, n, now) || v.asks.take(asksLimit, n, now) ||
		v.more.take(moreLimit, n, now) && r.common.take(commonLimit, n, now)
}

// left is what may be said at now.
func (a *allowance) left(l limit, now time.Time) float64 {
	a.used = max(0, a.used-float64(now.Sub(a.at))/float64(l.again))
	a.at = now
	return l.most - a.used
}

// rested reports whether nothing of the limit is used at now.
func (a *allowance) rested(l limit, now time.Time) bool { return a.left(l, now) == l.most }

// take uses n, if there is as much.
func (a *allowance) take(l limit, n float64, now time.Time) bool {
	if a.left(l, now) < n {
		return false
	}
	a.used += n
	return true
}

// voice is that of one person. Those who have been silent long enough are as if they
// had never talked.
func (r *ear) voice(by string, now time.Time) *voice {
	v := r.voices[by]
	if v != nil {
		return v
	}
	if len(r.voices) >= r.most {
		for by, v := range r.voices {
			if v.chat.rested(chatLimit, now) && v.asks.rested(asksLimit, now) && v.more.rested(moreLimit, now) && v.stops.rested(stopsLimit, now) {
				delete(r.voices, by)
			}
		}
		r.most = max(fewVoices, 2*len(r.voices))
	}
	v = &voice{}
	r.voices[by] = v
	return v
}

// room makes room for s, at the cost of lines that are worth less. It reports whether
// there is.
func (r *ear) room(s talk) bool {
	for r.lines >= maxHeard || r.bytes+len(s.Text) > maxHeardBytes {
		at, least := -1, s.worth
		for i, x := range r.waiting {
			if x, ok := x.(talk); ok && x.worth < least {
				at, least = i, x.worth
			}
		}
		if at < 0 {
			return false
		}
		r.remove(at)
		r.dropped++
	}
	return true
}

// remove returns what was at i.
func (r *ear) remove(i int) any {
	x := r.waiting[i]
	if s, ok := x.(talk); ok {
		r.lines--
		r.bytes -= len(s.Text)
	}
	if i == 0 {
		r.waiting[0] = nil
		r.waiting = r.waiting[1:]
	} else {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	return x
}
