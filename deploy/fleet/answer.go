package fleet

import (
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// This file is what a host may say. It may be broken or in foreign hands: what it
// says costs bounded room and time, can't be mistaken for what we say, and harms
// no other host.

const (
	lineMax  = 1000    // bytes of a line that is shown or kept
	diffMax  = 10      // lines of host.Response.Diff
	saidMax  = 40      // lines of host.Response.Said: as many as an honest host sends
	phpMax   = 20      // PHPs of host.Health
	epochGap = 1 << 32 // rollouts that another pushtrain can't have made on top of ours
)

// answerTime is how long a host may take for an answer; 0 = as long as the effect.
func answerTime(v host.Verb) time.Duration {
	switch v {
	case host.Hello, host.Status, host.Checkup, host.Tail, host.Unlock:
		return fenceTime
	case host.Prepare:
		return 2 * time.Minute // where room is short it counts what the side holds
	}
	return 0
}

// vet makes an answer to a request fit to be shown and kept. drain is the one that the host
// goes by. What it says of a side in words that no pushtrain uses, it does not say.
func vet(verb host.Verb, resp *host.Response, drain time.Duration) error {
	resp.Err, resp.Code = oneLine(resp.Err), host.Code(oneLine(string(resp.Code)))
	resp.Rsync, resp.Helper = oneLine(resp.Rsync), oneLine(resp.Helper)
	resp.Diff = resp.Diff[:min(len(resp.Diff), diffMax)]
	for i, line := range resp.Diff {
		resp.Diff[i] = oneLine(line)
	}
	if verb != host.Tail { // which says as much as one answer holds
		resp.Said = resp.Said[max(0, len(resp.Said)-saidMax):]
	}
	for i, line := range resp.Said {
		resp.Said[i] = oneLine(line)
	}
	if !host.IsWitness(resp.Witness) {
		resp.Witness = ""
	}
	if h := resp.Health; h != nil {
		h.Holder, h.Fault = oneLine(h.Holder), oneLine(h.Fault)
		h.PHP = h.PHP[:min(len(h.PHP), phpMax)]
		for i := range h.PHP {
			h.PHP[i].Name = oneLine(h.PHP[i].Name)
		}
	}
	s := &resp.Standing
	if s.Live != "" && s.Live != deploy.Yin && s.Live != deploy.Yang {
		return fmt.Errorf("it says that its live side is %.40q", string(s.Live))
	}
	maps.DeleteFunc(s.Sides, func(side deploy.Side, seal deploy.Seal) bool {
		return side != deploy.Yin && side != deploy.Yang || !isHex(seal.Release) || !isHex(seal.Digest)
	})
	s.Drain = min(max(s.Drain, 0), drain)
	return nil
}

// isHex reports whether s is what the names and the digests of releases are made of.
func isHex(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// oneLine makes text fit for one line of a channel, a log or a terminal: printable,
// and of about lineMax bytes at most.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= lineMax {
		return s
	}
	cut := lineMax
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
