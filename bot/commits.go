package bot

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
	"pushtrain/train"
)

// This file is about whose commits a train carries.

// brings is what a rollout of a stack brings on top of what its last stage serves.
type brings struct {
	from    string // the commit that is live
	to      string // the commit that was built; "" = what the branch holds
	commits []release.Commit
}

const (
	subjectsTold = 8         // lines that a driver gets
	outputRead   = 256 << 10 // bytes of a run log's end that are searched for files
)

// fetchBrings finds out what a train that is up will bring, and tells it.
func (b *Bot) fetchBrings(e train.Up) {
	left := len(e.Stacks)
	said := make([]string, left)
	for i, stack := range e.Stacks {
		b.fetch(stack, b.liveCommit(stack), "", func(what brings, err error) {
			if left--; err == nil {
				b.brings[stack], b.fresh = what, true
				said[i] = b.bringsText(e.Train, stack, what)
				b.tellSubjects(e.Train, stack, what)
			}
			if said := slices.DeleteFunc(said, func(s string) bool { return s == "" }); left == 0 && len(said) > 0 {
				b.talk(fmt.Sprintf("brings %d", e.Train), strings.Join(said, "; "))
			}
		})
	}
}

// recallBrings finds out, after a restart, what the trains that are up bring.
func (b *Bot) recallBrings() {
	for i, t := range b.train.Queue.Trains {
		for _, stack := range b.train.Stacks(t) {
			if b.train.HeadOf(stack) != i || b.cfg.Idle {
				continue
			}
			commit := ""
			for _, s := range t.Ships {
				if s.Stack == stack {
					commit = s.Commit
				}
			}
			b.pinBrings(stack, commit)
		}
	}
}

// pinBrings finds out what a commit that was built brings; "" = what the branch holds.
// One that is live already has brought what it does to the release before.
func (b *Bot) pinBrings(stack, commit string) {
	if had, known := b.brings[stack]; known && had.to == commit {
		return
	}
	from := b.liveCommit(stack)
	if was, ok := b.book.Previous(b.lastStage(stack)); ok && from == commit {
		from = was.Commit
	}
	b.fetch(stack, from, commit, func(what brings, err error) {
		if err == nil {
			b.brings[stack], b.fresh = what, true
		}
	})
}

// fetch lists the commits behind from, up to to ("" = what the branch holds), beside the
// bot's other work, and hands them on in Run's goroutine. With no commit in from, of a stack
// that serves nothing of ours yet, or whose stages something else deploys, nothing comes of it.
func (b *Bot) fetch(stack, from, to string, then func(brings, error)) {
	what := brings{from: from, to: to}
	b.deeds = append(b.deeds, func() {
		b.archive(func(c *crew) func() {
			err := errNothingLive
			if what.from != "" {
				what.commits, err = c.Commits(b.ctx, stack, what.from, to)
			}
			if err != nil && err != errNothingLive && b.ctx.Err() == nil {
				b.cfg.Log.Warn().Err(err).Str("stack", stack).Msg("list what is new")
			}
			return func() { then(what, err) }
		})
	})
}

// liveCommit is the commit that a stack serves to everybody; "" = nothing of ours.
func (b *Bot) liveCommit(stack string) string {
	live, _ := b.book.Live(b.lastStage(stack))
	return live.Release.Commit
}

var errNothingLive = fmt.Errorf("nothing of ours is live yet")

// lastStage is where a stack's releases are live for everybody.
func (b *Bot) lastStage(stack string) deploy.Target {
	s, _ := b.cfg.Rules.Find(stack)
	t := deploy.Target{Stack: stack}
	if n := len(s.Stages); n > 0 {
		t.Stage = s.Stages[n-1].Name
	}
	return t
}

// committed is when the commits were made that a push has just brought; none where that is not known.
func (b *Bot) committed(r deploy.Rollout, e deploy.Ended) []int64 {
	what := b.brings[r.Stack]
	if !e.Outcome.Live() || r.Start.Back || r.Sync || !b.isLast(r.Stack, r.Stage) || what.to != r.Release.Commit {
		return nil
	}
	var at []int64
	for _, c := range what.commits {
		at = append(at, c.At.Unix())
	}
	return at
}

// riders are the nicks of a train; none when it has gone.
func (b *Bot) riders(id int) []string {
	for _, t := range b.train.Queue.Trains {
		if t.ID == id {
			return nicksOf(t)
		}
	}
	return nil
}

func nicksOf(t train.Train) []string {
	var nicks []string
	for _, r := range t.Riders {
		nicks = append(nicks, r.Nick)
	}
	return nicks
}

// author is the nick of who made a commit, or the name where no nick is known:
// by the configuration, else a nick in sight that the name or the address begins with.
func (b *Bot) author(c release.Commit) (nick string, known bool) {
	for _, key := range []string{c.Email, c.Name} {
		if nick, ok := b.cfg.People[strings.ToLower(key)]; ok {
			return nick, true
		}
	}
	local, _, _ := strings.Cut(c.Email, "@")
	local, _, _ = strings.Cut(local, "+")
	for _, key := range []string{local, c.Name} {
		if m, ok := b.members[b.fold(key)]; ok {
			return m.Nick, true
		}
		for _, t := range b.train.Queue.Trains {
			for _, r := range t.Riders {
				if b.same(r.Nick, key) {
					return r.Nick, true
				}
			}
		}
	}
	return c.Name, false
}

// share is how many commits somebody has.
type share struct {
	nick   string // or the author's name
	known  bool   // it is a nick
	aboard bool
	n      int
}

// shares are whose commits there are, and those aboard who have none.
func (b *Bot) shares(aboard []string, what brings) (shares []share, without []string) {
	for _, c := range what.commits {
		nick, known := b.author(c)
		i := slices.IndexFunc(shares, func(s share) bool { return s.known == known && b.same(s.nick, nick) })
		if i < 0 {
			i = len(shares)
			is := known && slices.ContainsFunc(aboard, func(r string) bool { return b.same(r, nick) })
			shares = append(shares, share{nick: nick, known: known, aboard: is})
		}
		shares[i].n++
	}
	for _, r := range aboard {
		if !slices.ContainsFunc(shares, func(s share) bool { return s.aboard && b.same(s.nick, r) }) {
			without = append(without, r)
		}
	}
	return shares, without
}

// bringsText says whose commits a train carries, who has some and is not aboard, and
// who is aboard without one.
func (b *Bot) bringsText(id int, stack string, what brings) string {
	aboard := b.riders(id)
	if len(aboard) == 0 || len(what.commits) == 0 { // it has gone meanwhile, or brings nothing new
		return ""
	}
	shares, without := b.shares(aboard, what)
	var theirs, others []string
	for _, s := range shares {
		switch {
		case s.aboard:
			theirs = append(theirs, fmt.Sprintf("%s %d", quietly(s.nick), s.n))
		case s.known:
			others = append(others, fmt.Sprintf("%s %d", b.ping(s.nick), s.n))
		default:
			others = append(others, fmt.Sprintf("%s %d", s.nick, s.n))
		}
	}
	for i, r := range without {
		without[i] = quietly(r)
	}
	text := fmt.Sprintf("%s: %s since %.7s", stack, plural(len(what.commits), "commit"), what.from)
	for _, part := range []struct {
		what  string
		names []string
	}{{": ", theirs}, {"; not aboard: ", others}, {"; aboard without one: ", without}} {
		if len(part.names) > 0 {
			text += part.what + strings.Join(part.names, ", ")
		}
	}
	if url := b.cfg.Diffs[stack]; url != "" {
		text += " " + DiffURL(url, stack, what.from, what.commits[0].Hash)
	}
	return text
}

// DiffURL is where template shows what two commits of a stack differ in: {old}, {new}
// and {stack} stand in it.
func DiffURL(template, stack, old, new string) string {
	return strings.NewReplacer("{old}", old, "{new}", new, "{stack}", stack).Replace(template)
}

// tellSubjects tells the driver what the commits say of themselves.
func (b *Bot) tellSubjects(id int, stack string, what brings) {
	aboard := b.riders(id)
	if len(aboard) == 0 {
		return
	}
	for i, c := range what.commits {
		if i == subjectsTold {
			b.answer(aboard[0], plain, fmt.Sprintf("%s: and %d more", stack, len(what.commits)-i))
			return
		}
		nick, _ := b.author(c)
		b.answer(aboard[0], plain, fmt.Sprintf("%s: %.7s %s: %s", stack, c.Hash, nick, train.CleanMessage(c.Subject)))
	}
}

// nameWhoFailed tells those aboard whose files the output of a failed rollout names.
func (b *Bot) nameWhoFailed(r deploy.Rollout) {
	what, file := b.brings[r.Stack], b.runs.path(r.ID)
	if r.Train == 0 || file == "" || len(what.commits) == 0 {
		return
	}
	b.deeds = append(b.deeds, func() {
		b.jobs.Go(func() {
			text := endOf(file)
			b.hand(func() { b.tellWhoFailed(r, what, text) })
		})
	})
}

func (b *Bot) tellWhoFailed(r deploy.Rollout, what brings, output string) {
	var parts []string
	for _, rider := range b.riders(r.Train) {
		for _, c := range what.commits {
			nick, known := b.author(c)
			if !known || !b.same(nick, rider) {
				continue
			}
			if i := slices.IndexFunc(c.Files, func(f string) bool { return names(output, f) }); i >= 0 {
				parts = append(parts, fmt.Sprintf("%s (%s)", b.ping(rider), c.Files[i]))
				break
			}
		}
	}
	if len(parts) > 0 {
		b.channel("", fmt.Sprintf("%s: the output names files changed by %s", r.Target, strings.Join(parts, ", ")))
	}
}

// names reports whether output names the file: by its path, or by the last two parts of it.
func names(output, file string) bool {
	short := path.Join(path.Base(path.Dir(file)), path.Base(file))
	for _, name := range []string{file, short} {
		for rest := output; ; {
			before, after, found := strings.Cut(rest, name)
			if !found {
				break
			}
			last, _ := utf8.DecodeLastRuneInString(before)
			first, _ := utf8.DecodeRuneInString(after)
			if !partOfPath(last) && !partOfPath(first) { // no rune at all is part of none
				return true
			}
			rest = after
		}
	}
	return false
}

// partOfPath reports whether a path goes on with r: "/" before one does not count.
func partOfPath(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)
}

// endOf reads the end of a file; "" when it can't.
func endOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-outputRead), outputRead))
	if err != nil {
		return ""
	}
	return string(text)
}
