package train

import (
	"strconv"
	"strings"
)

// Format writes q as a topic, in the one form that Parse reads back as q.Shown().
// Texts have to be such as Parse yields, or CleanMessage returns.
func Format(q Queue) string {
	w := make(topic, 0, 512)
	if q.Banner != "" {
		w.segment(q.Banner)
		if !strings.HasSuffix(q.Banner, loud) && (Notation{}).read(q.Banner, true).kind != textSegment {
			w = append(w, loud...)
		}
	}
	for _, h := range q.Holds {
		w.segment(wordHold)
		w.bracket(h.Stack)
		w.quote(h.Why)
	}
	for _, t := range q.Trains {
		w.texts(t.Before)
		w.train(t)
	}
	if len(q.Trains) == 0 && q.More == 0 {
		w.segment(wordClear)
	}
	w.texts(q.Rest)
	if q.More > 0 {
		w.segment(ellipsis + " +")
		w = strconv.AppendInt(w, int64(q.More), 10)
	}
	if q.Message != "" {
		w = append(w, " "+loud...)
		w.quote(q.Message)
	}
	return string(w)
}

// topic is a topic being written.
type topic []byte

func (w *topic) add(s string) { *w = append(*w, s...) }

// segment begins the next segment.
func (w *topic) segment(s string) {
	if len(*w) > 0 {
		w.add(" | ")
	}
	w.add(s)
}

// texts writes each text as a segment. None may be the first, which is the banner's.
func (w *topic) texts(texts []string) {
	for _, s := range texts {
		if len(*w) == 0 {
			w.add("| ")
			w.add(s)
			continue
		}
		w.segment(s)
	}
}

func (w *topic) train(t Train) {
	w.segment("")
	if t.Stage != "" {
		w.add("<" + t.Stage + "> ")
	}
	alone := len(t.Riders) == 1 && t.Stage == ""
	for i, r := range t.Riders {
		switch {
		case i > 0:
			w.add(" + ")
		case isPipes(r.Nick), alone && isKeyword(r.Nick):
			w.add("+ ")
		}
		w.rider(r)
	}
	w.quote(t.Message)
}

func (w *topic) rider(r Rider) {
	w.add(r.Nick)
	switch r.Mark {
	case Good:
		w.add("*")
	case Uhoh:
		w.add("!")
	}
	w.bracket(r.Stack)
	if r.AskMe {
		w.bracket(wordAskMe)
	}
	if r.Hold {
		w.bracket(wordHold)
	}
	for _, word := range r.Words {
		w.bracket(word)
	}
}

func (w *topic) bracket(s string) {
	if s != "" {
		w.add(" (")
		w.add(s)
		w.add(")")
	}
}

func (w *topic) quote(s string) {
	if s != "" {
		w.add(` "`)
		w.add(s)
		w.add(`"`)
	}
}
