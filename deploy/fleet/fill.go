package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// This file sends a release to a host that knows what the side holds: the host
// says which contents it lacks, and no more is sent. rsync is for all others.

// fill makes the side hold the release.
func (d deed) fill(ctx context.Context, c *cargo, side deploy.Side) error {
	seal := deploy.Seal{Release: c.release.ID, Digest: c.release.Digest, Epoch: d.lock.epoch}
	req := host.Request{Do: host.Fill, Side: side, Seal: seal, Blob: int64(len(c.blob))}
	resp, err := d.tree(ctx, req, c)
	if err != nil {
		return err
	}
	want, bytes, err := wanted(c.manifest, resp.Want)
	if err != nil {
		return err
	}
	if len(want) > 0 {
		req.Do, req.Blob = host.Files, bytes
		told := &meter{out: d.out, host: d.name, all: bytes}
		_, err = d.l.stream(ctx, d.lock, req, func(to *intake) error {
			if err := c.pack.send(want, to, told.count); err != nil {
				return fmt.Errorf("read release %s: %w", c.release.ID, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	d.out(Line{Host: d.name, Percent: 100})
	return nil
}

// tree sends the host what the release is made of. It reads and writes then what it has already.
func (d deed) tree(ctx context.Context, req host.Request, c *cargo) (host.Response, error) {
	limit := verifyTime + readTime(c.release)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, lateError(limit))
	defer cancel()
	return d.l.stream(ctx, d.lock, req, func(to *intake) error {
		_, err := to.Write(c.blob)
		return err
	})
}

// wanted returns the files that a host has asked for, and their size in all.
func wanted(m deploy.Manifest, bits []byte) (want []deploy.Entry, bytes int64, err error) {
	if len(bits) > (len(m.Entries)+7)/8 {
		return nil, 0, errors.New("it asks for files that the release does not have")
	}
	for i, e := range m.Entries {
		if i/8 >= len(bits) || bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		if e.Type != deploy.File {
			return nil, 0, fmt.Errorf("it asks for the contents of a %s", e.Type)
		}
		want = append(want, e)
		bytes += e.Size
	}
	return want, bytes, nil
}

// meter tells how much of all has been counted.
type meter struct {
	out       func(Line)
	host      string
	all, done int64
	said      time.Time
}

func (m *meter) count(bytes int64) {
	m.done += bytes
	if time.Since(m.said) >= progressEvery && m.done < m.all {
		m.said = time.Now()
		m.out(Line{Host: m.host, Percent: int(m.done * 100 / m.all)})
	}
}
