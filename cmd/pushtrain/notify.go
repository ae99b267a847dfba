package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// notifier tells systemd how the bot is, as sd_notify(3) says. The zero notifier has nobody to tell.
type notifier struct {
	conn  net.Conn
	every time.Duration // how often the watchdog wants to hear of the bot; 0 = there is none

	// Owned by who calls beat.
	up   bool
	last time.Time
}

// newNotifier takes what systemd has put into the environment out of it: it is for
// this process, not for those that it starts.
func newNotifier() (*notifier, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err // unreachable: the names are good
		}
	}
	n := &notifier{}
	if socket == "" {
		return n, nil
	}
	var err error
	if n.conn, err = net.Dial("unixgram", socket); err != nil {
		return nil, fmt.Errorf("reach systemd by $NOTIFY_SOCKET: %w", err)
	}
	if most, err := strconv.ParseInt(usec, 10, 64); err == nil && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.every = time.Duration(most) * time.Microsecond / 3
	}
	return n, nil
}

// say may be called by any goroutine.
func (n *notifier) say(text string) {
	if n.conn == nil {
		return
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = n.conn.Write([]byte(text)) // systemd may be busy: the next beat tells it
}

// beat is for the goroutine that owns the bot's state: at first it says that the bot
// is up, and then, as often as the watchdog wants, that it still goes on.
func (n *notifier) beat() {
	now := time.Now()
	switch {
	case !n.up:
		n.up, n.last = true, now
		n.say("READY=1")
	case n.every > 0 && now.Sub(n.last) >= n.every:
		n.last = now
		n.say("WATCHDOG=1")
	}
}
