package host

import (
	"encoding/json"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// left is what is kept of the last flip: since when the idle side has no new readers.
type left struct {
	Side deploy.Side   // the side that it left; "" = there was no link before
	Link int64         // the mtime of the link that it made, nanoseconds
	Boot string        // the boot that At is of
	At   time.Duration // since that boot, sleep included
}

// leave keeps that the flip to the link that is there now has left side.
//
// It is not synced: a reboot ends all readers, so a record that a crash takes
// with it says nothing any more. And it may fail: the link's mtime speaks then.
func (s *session) leave(side deploy.Side) {
	info, err := s.root.Lstat(current)
	if err != nil {
		return
	}
	b, err := json.Marshal(left{Side: side, Link: info.ModTime().UnixNano(), Boot: bootID(), At: sinceBoot()})
	if err == nil {
		_ = s.swap("left", b, notSynced)
	}
}

// draining returns how long the side that is not live may still have readers.
func (s *session) draining(live deploy.Side) time.Duration {
	if live == "" {
		return 0
	}
	if there, err := s.exists(live.Other()); err != nil || !there {
		return 0 // no side, no readers; what is wrong with it is said by who asks for it
	}
	info, err := s.root.Lstat(current)
	if err != nil {
		return s.drain
	}
	var l left
	var passed time.Duration
	switch ok := s.readJSON("left", &l); {
	case !ok || l.Link != info.ModTime().UnixNano():
		passed = time.Since(info.ModTime()) // somebody else made this link: its age is all there is
	case l.Side == "" || l.Boot != bootID():
		return 0
	default:
		passed = sinceBoot() - l.At
	}
	if passed < 0 {
		return s.drain
	}
	return max(0, s.drain-passed)
}

// sinceBoot returns the time since the boot, sleep included: a clock that nobody sets.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // unreachable: Linux has this clock since 2.6.39
	}
	return time.Duration(ts.Nano())
}

// bootID names this boot; "" where /proc is not to be had.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
