package irc

import (
	"cmp"
	"slices"
	"strings"

	"pushtrain/train"
)

// roster is who is in the channel. The session owns it.
type roster struct {
	casemap train.Casemap
	members map[string]*entry // by folded nick
}

type entry struct {
	Who
	modes string // rank letters
}

func newRoster(casemap train.Casemap) roster {
	return roster{casemap: casemap, members: make(map[string]*entry)}
}

func (r roster) get(nick string) *entry { return r.members[r.casemap.Fold(nick)] }

// add puts w in, or completes what is known of them: an empty field says nothing.
func (r roster) add(w Who) *entry {
	key := r.casemap.Fold(w.Nick)
	e := r.members[key]
	if e == nil {
		e = &entry{}
		r.members[key] = e
	}
	e.Nick = w.Nick
	e.User = cmp.Or(w.User, e.User)
	e.Host = cmp.Or(w.Host, e.Host)
	e.Account = cmp.Or(w.Account, e.Account)
	return e
}

func (r roster) remove(nick string) { delete(r.members, r.casemap.Fold(nick)) }

func (r roster) rename(from, to string) {
	e := r.get(from)
	if e == nil {
		return
	}
	r.remove(from)
	e.Nick = to
	r.members[r.casemap.Fold(to)] = e
}

// setRank gives a member a rank letter or takes it.
func (r roster) setRank(nick, letter string, on bool) {
	e := r.get(nick)
	if e == nil {
		return
	}
	e.modes = strings.ReplaceAll(e.modes, letter, "")
	if on {
		e.modes += letter
	}
}

// list returns the members by nick.
func (r roster) list() []Member {
	members := make([]Member, 0, len(r.members))
	for _, e := range r.members {
		members = append(members, Member{Who: e.Who, Op: maySetTopic(e.modes)})
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Nick, b.Nick) })
	return members
}
