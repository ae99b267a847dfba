package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

func TestVet(t *testing.T) {
	seal := deploy.Seal{Release: "0123456789ab", Digest: strings.Repeat("ab", 32), Epoch: 3}
	good := host.Response{N: 1, Err: "no: ünï", Code: host.Broken, Diff: []string{"a: missing"},
		Standing: deploy.Standing{Live: deploy.Yang, Sides: map[deploy.Side]deploy.Seal{deploy.Yin: seal, deploy.Yang: seal}, Epoch: 4, Drain: time.Second}}
	same := good
	if err := vet(host.Status, &same, time.Second); err != nil || !reflect.DeepEqual(same, good) {
		t.Errorf("an honest answer became %+v, %v", same, err)
	}

	const codes = "\x1b[31m\x1b]0;x\x07\x02\x0304,05\x1f\x00\r\n\u009b31m\u202e\u200b\x7f\xff"
	evil := host.Response{Err: codes + strings.Repeat("é", 5000), Code: host.Code(codes), Rsync: codes, Helper: codes,
		Standing: deploy.Standing{Sides: map[deploy.Side]deploy.Seal{deploy.Yin: seal, "yon": seal, deploy.Yang: {Release: codes, Digest: seal.Digest}}, Drain: 1 << 62}}
	for range 1000 {
		evil.Diff, evil.Said = append(evil.Diff, codes), append(evil.Said, codes)
	}
	if err := vet(host.Status, &evil, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, s := range append(append(evil.Diff, evil.Said...), evil.Err, string(evil.Code), evil.Rsync, evil.Helper) {
		if !utf8.ValidString(s) || len(s) > lineMax+len("…") || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q goes on", s)
		}
	}
	if len(evil.Said) != saidMax {
		t.Errorf("%d lines of a command go on", len(evil.Said))
	}
	if len(evil.Diff) != diffMax || len(evil.Standing.Sides) != 1 || evil.Standing.Sides[deploy.Yin] != seal || evil.Standing.Drain != time.Second {
		t.Errorf("%d lines, %+v go on", len(evil.Diff), evil.Standing)
	}
	evil.Standing.Drain = -1 << 62
	if err := vet(host.Status, &evil, time.Second); err != nil || evil.Standing.Drain != 0 {
		t.Errorf("a drain of less than nothing becomes %s, %v", evil.Standing.Drain, err)
	}
	evil.Standing.Live = "\x1byon"
	if err := vet(host.Status, &evil, time.Second); err == nil || !strings.Contains(err.Error(), `"\x1byon"`) {
		t.Errorf("a live side that there is not: %v", err)
	}
}

// scripted is a session with a host that does as it is told.
func scripted(peer func(in io.Reader, out io.Writer)) *session {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		peer(inR, outW)
		inR.CloseWithError(errEnded)
		outW.Close()
	}()
	kill := func() {
		inR.CloseWithError(errEnded)
		outR.CloseWithError(errEnded)
	}
	return newSession(inW, outR, kill, func() error { kill(); <-done; return nil })
}

// TestNeverAnswers: a request to a host that takes it and says nothing, or a byte
// a second for ever, ends when its time is over; the next one finds a new session.
func TestNeverAnswers(t *testing.T) {
	silent := func(in io.Reader, _ io.Writer) { _, _ = io.Copy(io.Discard, in) }
	drips := func(in io.Reader, out io.Writer) {
		go func() { _, _ = io.Copy(io.Discard, in) }()
		for {
			if _, err := out.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	deaf := func(_ io.Reader, out io.Writer) { _, _ = out.Write([]byte("x")); _, _ = out.Write([]byte("x")) }
	for name, peer := range map[string]func(io.Reader, io.Writer){"silent": silent, "drips": drips, "deaf": deaf} {
		for verb, want := range map[host.Verb]time.Duration{host.Hello: fenceTime, host.Status: fenceTime, host.Unlock: fenceTime, host.Prepare: 2 * time.Minute, host.Lock: stallTime, host.Seal: stallTime, host.After: stallTime} {
			t.Run(fmt.Sprintf("%s %s", name, verb), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: t.TempDir()})
					if err != nil {
						t.Fatal(err)
					}
					defer l.close()
					l.s = scripted(peer)
					ctx, cancel := context.WithTimeoutCause(t.Context(), verifyTime, lateError(verifyTime))
					defer cancel()
					began := time.Now()
					_, err = l.call(ctx, host.Request{Do: verb})
					var late lateError
					if took := time.Since(began); err == nil || errors.As(err, &late) == (want == stallTime) || !strings.Contains(err.Error(), want.String()) || took < want || took > want+time.Second {
						t.Errorf("after %s: %v; want its end after %s", took, err, want)
					}
					if _, err := l.ask(t.Context(), noLock, host.Request{Do: host.Status}); err != nil {
						t.Errorf("the next session: %v", err)
					}
				})
			})
		}
	}
}

// TestFillsForEver: whatever a host does that is to be filled over its session, it
// costs the time that it may take and no more.
func TestFillsForEver(t *testing.T) {
	m := deploy.Manifest{Entries: []deploy.Entry{{Path: "a", Type: deploy.Dir, Perm: 0o755}, {Path: "a/b", Type: deploy.File, Perm: 0o644, Size: 1, Sum: strings.Repeat("0", 64)}}}
	fillCargo := &cargo{release: deploy.Release{ID: "1", Digest: m.Digest()}, manifest: m, blob: make([]byte, 1<<20)}
	const once = -1
	hears := func(in io.Reader) { _, _ = io.Copy(io.Discard, in) }
	says := func(line string, every time.Duration) func(io.Reader, io.Writer) {
		return func(in io.Reader, out io.Writer) {
			if every == once {
				go io.WriteString(out, line) // it is read when all is sent
				hears(in)
				return
			}
			go hears(in)
			for {
				if _, err := io.WriteString(out, line); err != nil {
					return
				}
				time.Sleep(every)
			}
		}
	}
	for name, c := range map[string]struct {
		peer func(io.Reader, io.Writer)
		want string
		took time.Duration
	}{
		"busy for ever":            {says(`{"N":1,"Busy":true}`+"\n", time.Second), "no answer within 10m0s", verifyTime},
		"busy all the time":        {says(`{"N":1,"Busy":true}`+"\n", 0), "busy, more often", 0},
		"busy with another":        {says(`{"N":2,"Busy":true}`+"\n", time.Second), "it answered request 2 when 1 was asked", 0},
		"silent":                   {func(in io.Reader, _ io.Writer) { hears(in) }, "it took no byte and said nothing for 30s", stallTime},
		"deaf":                     {func(_ io.Reader, out io.Writer) { _, _ = out.Write([]byte("xx")) }, "it took no byte and said nothing for 30s", stallTime},
		"wants a folder":           {says(`{"N":1,"Want":"AQ=="}`+"\n", once), "it asks for the contents of a dir", 0},
		"wants what there is not":  {says(`{"N":1,"Want":"AAAA"}`+"\n", once), "it asks for files that the release does not have", 0},
		"wants all that there are": {says(`{"N":1,"Want":"`+strings.Repeat("/", 2<<20)+`"}`+"\n", once), "it answered with more than 1048576 bytes", 0},
		"goes by another side":     {says(`{"N":1,"Standing":{"Live":"yon"}}`+"\n", once), `it says that its live side is "yon"`, 0},
		"takes a byte a second": {func(in io.Reader, out io.Writer) {
			for b := make([]byte, 1); ; time.Sleep(time.Second) {
				if _, err := in.Read(b); err != nil {
					return
				}
			}
		}, "it took no byte and said nothing for 30s", stallTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				l.open, l.epoch, l.s = t.Context(), 7, scripted(c.peer)
				began := time.Now()
				err = deed{l: l, name: "a", lock: lock{epoch: 7}, out: func(Line) {}}.fill(t.Context(), fillCargo, deploy.Yin)
				if took := time.Since(began); err == nil || !strings.Contains(err.Error(), c.want) || took < c.took || took > c.took+2*time.Second {
					t.Errorf("after %s: %v; want %q after %s", took, err, c.want, c.took)
				}
				if _, err := l.ask(t.Context(), noLock, host.Request{Do: host.Status}); err != nil {
					t.Errorf("the next session: %v", err)
				}
			})
		})
	}
}

// TestLargeTree: a host that reads a large release, and says all the while that it is at it, has the time
// that a slow disk takes, and no more.
func TestLargeTree(t *testing.T) {
	const reads = 5 * time.Minute
	peer := func(verb host.Verb) func(io.Reader, io.Writer) { // it reads when it is asked to do verb
		return func(in io.Reader, out io.Writer) {
			lines := bufio.NewReader(in)
			for {
				line, err := lines.ReadBytes('\n')
				var req host.Request
				if err != nil || json.Unmarshal(line, &req) != nil {
					return
				}
				_, _ = io.CopyN(io.Discard, lines, req.Blob)
				resp := host.Response{N: req.N, Version: host.Version, Rsync: "3.2.7"}
				if req.Do == host.Seal && req.Blob == 0 {
					resp.Err, resp.Code = "seal without a manifest", host.Bad
				}
				if req.Do == verb && resp.Err == "" {
					for range reads / host.BusyEvery {
						time.Sleep(host.BusyEvery)
						if _, err := fmt.Fprintf(out, `{"N":%d,"Busy":true}`+"\n", req.N); err != nil {
							return
						}
					}
				}
				if json.NewEncoder(out).Encode(resp) != nil {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		verb  host.Verb
		bytes int64
		late  string // "" = it is waited for
	}{
		{host.Lock, 10 << 30, ""},
		{host.Lock, 1 << 20, "no answer within 2m20s"},
		{host.Seal, 10 << 30, ""},
		{host.Seal, 1 << 20, ""},
	} {
		t.Run(fmt.Sprintf("%s of %d MB", c.verb, c.bytes>>20), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				l.open, l.s = t.Context(), scripted(peer(c.verb))
				r := deploy.Release{ID: "1", Digest: "d", Bytes: c.bytes}
				d := deed{f: &Fleet{open: t.Context()}, l: l, name: "a", lock: lock{epoch: 7}, out: func(Line) {}}
				d.r.Release = r
				switch c.verb {
				case host.Lock:
					_, err = d.fence(t.Context())
				case host.Seal:
					l.epoch = 7
					err = d.seal(t.Context(), deploy.Verify{Side: deploy.Yin, Release: r}, &cargo{blob: make([]byte, 1<<20)})
				}
				if c.late == "" && err != nil || c.late != "" && (err == nil || !strings.Contains(err.Error(), c.late)) {
					t.Errorf("%v, want %q", err, c.late)
				}
			})
		})
	}
}

// TestTurn: a host's time does not run while others are filled.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Fleet{open: t.Context(), slots: make(chan struct{}, 1)}
		f.slots <- struct{}{}
		time.AfterFunc(3*prepareTime, func() { <-f.slots })
		err := deed{f: f}.within(t.Context(), deploy.Release{Bytes: slowDisk * 60}, func(ctx context.Context) error {
			if end, bound := ctx.Deadline(); !bound || time.Until(end) != prepareTime+time.Minute {
				t.Errorf("it has %s", time.Until(end))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestDrainsForEver: a host whose side is always drained in a moment is not waited for without end.
func TestDrainsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: t.TempDir(), Drain: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		l.open, l.epoch, l.s = t.Context(), 7, scripted(func(in io.Reader, out io.Writer) {
			buf := make([]byte, 64<<10)
			for n := 1; ; n++ {
				if _, err := in.Read(buf); err != nil {
					return
				}
				fmt.Fprintf(out, `{"N":%d,"Err":"it may have readers","Code":"draining","Standing":{"Live":"yin","Drain":999999999999999999}}`+"\n", n)
			}
		})
		d := deed{l: l, name: "a", lock: lock{epoch: 7}, out: func(Line) {}}
		began := time.Now()
		_, err = d.admit(t.Context(), deploy.Prepare{Side: deploy.Yang, Release: deploy.Release{ID: "r", Digest: "d"}, Epoch: 7}, host.Need{})
		var no *refusal
		if took := time.Since(began); !errors.As(err, &no) || took < l.drain || took > l.drain+drainSlack+l.drain {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestEpochOutOfReach: a host can't use up the epochs of all others.
func TestEpochOutOfReach(t *testing.T) {
	for epoch, far := range map[uint64]bool{8: false, 7 + epochGap: false, 8 + epochGap: true, 1<<64 - 1: true} {
		l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		l.s = scripted(func(in io.Reader, out io.Writer) {
			_, _ = in.Read(make([]byte, 64<<10))
			fmt.Fprintf(out, `{"N":1,"Version":%d,"Rsync":"3.2.7","Standing":{"Epoch":%d}}`+"\n", host.Version, epoch)
			_, _ = io.Copy(io.Discard, in)
		})
		standing, _, err := l.fence(t.Context(), lock{epoch: 7}, t.Logf)
		if far && (err == nil || !strings.Contains(err.Error(), "there can't have been as many")) || !far && (err != nil || standing.Epoch != epoch) {
			t.Errorf("epoch %d: %+v, %v", epoch, standing, err)
		}
		l.close()
	}
}

// TestFlood: what is said on stderr is kept in part, and too much of it ends the session.
func TestFlood(t *testing.T) {
	ended := 0
	s := tail{flood: func() { ended++ }}
	line := []byte(strings.Repeat("y", 1023) + "\n")
	for range 1 << 10 {
		_, _ = s.Write(line)
	}
	if s.flooded() || ended != 0 {
		t.Error("the session ended at its last good byte")
	}
	for range 1 << 10 {
		_, _ = s.Write(line)
	}
	if !s.flooded() || ended == 0 || len(s.buf) > tailMax || cap(s.buf) > 4*tailMax {
		t.Errorf("flooded %v, ended %d times, %d bytes of %d kept", s.flooded(), ended, len(s.buf), cap(s.buf))
	}
	_, _ = s.Write([]byte("\nred \x1b[31m\u009b31m\u202e\x03\xff.\n"))
	if got := s.lines(); got[len(got)-1] != "red [31m31m\uFFFD." {
		t.Errorf("the last line is %q", got[len(got)-1])
	}
}
