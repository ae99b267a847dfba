package bot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// SocketPath is where the bot of a state directory listens.
func SocketPath(stateDir string) string { return filepath.Join(stateDir, "pushtrain.sock") }

// maxSocketPath is what unix(7) leaves for a name: 108 bytes with the closing zero.
const maxSocketPath = 107

// Listen opens the bot's socket, for its own user only. The store's lock says
// that no other bot runs, so a socket that is still there is a dead one's.
func Listen(stateDir string) (net.Listener, error) {
	path := SocketPath(stateDir)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("open the socket: %s has %d bytes, and a socket's name %d at most: choose a shorter state_dir", path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("close the socket to others: %w", err)
	}
	return l, nil
}

// Serve answers requests on l until ctx ends, and waits for those under way.
// Each connection carries one Request as a line of JSON, and its Replies.
func (b *Bot) Serve(ctx context.Context, l net.Listener) {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		conns.Go(func() { b.serve(ctx, c) })
	}
}

func (b *Bot) serve(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	in := bufio.NewReader(io.LimitReader(c, 64<<10))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return
	}
	var req Request
	enc := json.NewEncoder(c)
	if err := json.Unmarshal(line, &req); err != nil {
		_ = enc.Encode(Reply{Over: true, Exit: ExitUsage, Line: "not a request: " + err.Error()}) // the asker may have gone
		return
	}
	gone := make(chan struct{})
	go func() { // ends when the asker hangs up, or by the Close above
		defer close(gone)
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	_, _ = b.Ask(ctx, req, func(r Reply) { _ = enc.Encode(r) }) // an asker who has gone needs no answer
	c.Close()
	<-gone
}

// ErrNoBot says that no bot listens for a state directory.
var ErrNoBot = errors.New("no bot is running")

// Call asks the running bot of a state directory.
func Call(ctx context.Context, stateDir string, req Request, out func(Reply)) (int, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", SocketPath(stateDir))
	if err != nil {
		return ExitFailed, ErrNoBot
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	if err := json.NewEncoder(c).Encode(req); err != nil {
		return ExitFailed, fmt.Errorf("ask the bot: %w", err)
	}
	in := bufio.NewScanner(c)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var r Reply
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return ExitFailed, fmt.Errorf("read the bot's answer: %w", err)
		}
		out(r)
		if r.Over {
			return r.Exit, nil
		}
	}
	if ctx.Err() != nil {
		return ExitFailed, ctx.Err()
	}
	return ExitLook, errors.New("the bot went away in the middle of it: `pushtrain status` shows how things stand")
}
