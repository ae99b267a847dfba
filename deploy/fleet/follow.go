package fleet

import (
	"context"
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
	for _, h := range stage.Hosts {
		if len(stage.WatchFiles)+len(stage.WatchHostCommand) == 0 {
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
			if len(stage.WatchHostCommand) > 0 {
				both.Go(func() {
					again(ctx, Line{Host: h.Name}, out, func() error { return l.followCommand(ctx, stage.WatchHostCommand, out) })
				})
			}
			if len(stage.WatchFiles) > 0 {
				again(ctx, Line{Host: h.Name}, out, func() error { return l.follow(ctx, stage.WatchFiles, out) })
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

// follow reads files again and again until it can't. It begins where it left off.
func (l *link) follow(ctx context.Context, files []string, out func(Line)) error {
	if l.read == nil {
		l.read = map[string]host.Position{}
	}
	for {
		for _, file := range files {
			for more := true; more; {
				resp, err := l.ask(ctx, noLock, host.Request{Do: host.Tail, File: file, At: l.read[file]})
				if err != nil {
					return err
				}
				l.read[file], more = resp.At, resp.More
				l.said(resp, out)
			}
		}
		if err := sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}

// said hands on what an answer says of a log, and that something was passed over.
func (l *link) said(resp host.Response, out func(Line)) {
	if resp.Lost > 0 {
		out(Line{Host: l.host, Lost: resp.Lost})
	}
	for _, line := range resp.Said {
		out(Line{Host: l.host, Text: line})
	}
}

// followCommand hands on what a command on the host says, until it ends.
func (l *link) followCommand(ctx context.Context, argv []string, out func(Line)) error {
	for {
		resp, err := l.ask(ctx, noLock, host.Request{Do: host.Tail, Argv: argv})
		l.said(resp, out)
		if err != nil {
			return err
		}
		if resp.More {
			continue
		}
		if err := sleep(ctx, followEvery); err != nil {
			return err
		}
	}
}
