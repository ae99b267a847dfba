package fleet

import (
	"context"
	"io"
	"net"

	"pushtrain/deploy/host"
)

// local serves a folder of this machine, in this process, as a host would.
func local(root string) *session {
	ctx, cancel := context.WithCancel(context.Background())
	inR, inW := net.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() { // ends when its input does; session.end waits for it
		err := host.Serve(ctx, root, inR, outW)
		inR.Close()
		outW.Close()
		done <- err
	}()
	kill := func() {
		cancel()
		inR.Close()
		outR.Close()
	}
	wait := func() error {
		defer cancel()
		return <-done
	}
	return newSession(inW, outR, kill, wait)
}
