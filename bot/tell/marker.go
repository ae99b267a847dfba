package tell

import (
	"context"
	"fmt"
	"net"

	"pushtrain/bot"
)

// metric is what Graphite and StatsD call rollouts to a stage. Names of stacks and
// stages are letters, digits, - and _.
func metric(e bot.Entry) string { return "deploys." + e.Stack + "." + e.Stage }

// graphite gets "deploys.web.prod 1 UNIX-SECONDS".
func graphite(addr string) *receiver {
	return marker("Graphite at "+addr, "tcp", addr, func(e bot.Entry) string {
		return fmt.Sprintf("%s 1 %d\n", metric(e), e.At.Unix())
	})
}

// statsd gets "deploys.web.prod:1|c". What UDP loses is lost.
func statsd(addr string) *receiver {
	return marker("StatsD at "+addr, "udp", addr, func(e bot.Entry) string { return metric(e) + ":1|c" })
}

// marker writes a text for each rollout that went live.
func marker(name, network, addr string, text func(bot.Entry) string) *receiver {
	return &receiver{
		name:  name,
		wants: bot.Entry.Live,
		ready: func(e bot.Entry) func(context.Context) error {
			return func(ctx context.Context) error { return write(ctx, network, addr, text(e)) }
		},
	}
}

func write(ctx context.Context, network, addr, text string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })() // a Write that hangs
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	return nil
}
