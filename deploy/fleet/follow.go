package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

const (
	followEvery = time.Second      // that a log is read
	followAgain = 10 * time.Second // after a host or a command has failed
)

// Follow hands on the lines that come to what stage t watches, from now on, each with
// the name of its host, "" = of this machine, until ctx ends. What fails is told once as a
// line with Err, and tried again. out is called from several goroutines.
func (f *Fleet) Follow(ctx context.Context, t deploy.Target, out func(Line)) {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(f.open, cancel)()
	defer cancel()
	s := f.stacks[t.Stack]
	if s == nil {
		return
	}
	stage := s.stages[t.Stage]
	var parts sync.WaitGroup
	defer parts.Wait()
	var files, command []host.Request
	for _, file := range stage.WatchFiles {
		files = append(files, host.Request{Do: host.Tail, File: file})
	}
	if len(stage.WatchHostCommand) > 0 {
		command = []host.Request{{Do: host.Tail, Argv: stage.WatchHostCommand}}
	}
	for _, h := range stage.Hosts {
		if len(files)+len(command) == 0 {
			break
		}
		parts.Go(func() {
			l, err := f.ownLink(s, h)
			if err != nil {
				out(Line{Host: h.Name, Text: err.Error(), Err: true}) // unreachable: Open has tried
				return
			}
			defer l.close()
			var both sync.WaitGroup
			defer both.Wait()
			for _, what := range [][]host.Request{files, command} {
				if len(what) == 0 {
					continue
				}
				tails := slices.Clone(what) // how far its own are read
				both.Go(func() {
					again(ctx, Line{Host: h.Name}, out, func() error { return l.follow(ctx, tails, out) })
				})
			}
		})
	}
	if len(stage.WatchCommand) > 0 {
		parts.Go(func() {
			again(ctx, Line{}, out, func() error {
				return release.Exec(ctx, stage.WatchCommand, "", nil, func(line string, _ bool) { out(Line{Text: line}) })
			})
		})
	}
}

// again does work until ctx ends, however often it fails. What fails the same way
// twice in a row is told once.
func again(ctx context.Context, from Line, out func(Line), work func() error) {
	told := ""
	for {
		err := work()
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != told {
			told = err.Error()
			out(Line{Host: from.Host, Text: told, Err: true})
		}
		if sleep(ctx, followAgain) != nil {
			return
		}
	}
}

// follow asks for what logs have to say again and again until it can't. It begins
// where it left off: how far each has been read stands in tails.
func (l *link) follow(ctx context.Context, tails []host.Request, out func(Line)) error {
	for {
		for i := range tails {
			for more := true; more; {
				resp, err := l.ask(ctx, noLock, tails[i])
				if resp.Lost > 0 {
					out(Line{Host: l.host, Lost: resp.Lost})
				}
				for _, line := range resp.Said { // a command that has ended has its last words
					out(Line{Host: l.host, Text: line})
				}
				if err != nil {
					return err
				}
				tails[i].At, more = resp.At, resp.More
			}
		}
		if err := sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}
