package bot

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
)

// Secrets stars out what nobody may read: in run logs, in the journal, and so in the
// channel and on the page. It sees all that commands and hosts say before anything
// else does. The zero Secrets hides the users and passwords of URLs alone.
//
// What a command has taken apart is beyond it, such as a secret that is printed one
// character a line, or in hex.
type Secrets struct {
	forms []string // the longest first
	stars *strings.Replacer
}

// starred stands where a secret was.
const starred = "*******"

const (
	minCoded = 8 // a shorter secret is hidden as it stands alone: what codes it is too short to be told from other text
	minStart = 4 // bytes of a secret that are hidden where a line was cut within it
)

// NewSecrets hides these values, as they stand, and as a URL and base64 have them, also
// within something longer that base64 codes. Empty ones are passed over.
func NewSecrets(values ...string) *Secrets {
	s := &Secrets{}
	for _, v := range values {
		if v == "" {
			continue
		}
		s.forms = append(s.forms, v, release.Safe(v), url.QueryEscape(v), url.PathEscape(v))
		if len(v) < minCoded {
			continue
		}
		for _, code := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			s.forms = append(s.forms, code.EncodeToString([]byte(v)))
		}
		for _, code := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				all := code.EncodeToString(append(make([]byte, before), v...))
				s.forms = append(s.forms, all[(8*before+5)/6:8*(before+len(v))/6]) // the characters that hold nothing but v
			}
		}
	}
	slices.SortFunc(s.forms, func(a, b string) int { return len(b) - len(a) })
	s.forms = slices.DeleteFunc(slices.Compact(s.forms), func(f string) bool { return f == "" })
	var pairs []string
	for _, f := range s.forms {
		pairs = append(pairs, f, starred)
	}
	s.stars = strings.NewReplacer(pairs...)
	return s
}

// Hide returns text, [release.Safe], without any secret.
func (s *Secrets) Hide(text string) string { return s.star(release.Safe(text)) }

// star returns text without any secret, and else as it is.
func (s *Secrets) star(text string) string {
	if s == nil || len(s.forms) == 0 {
		return text
	}
	text = s.stars.Replace(text)
	body, cut := strings.CutSuffix(text, release.CutMark)
	if !cut {
		return text
	}
	for _, f := range s.forms {
		for n := len(f) - 1; n >= minStart; n-- {
			if whole, ok := strings.CutSuffix(body, f[:n]); ok {
				return whole + starred + release.CutMark
			}
		}
	}
	return text
}

// all hides in each of these texts; they are changed in place.
func (s *Secrets) all(texts []string) {
	for i := range texts {
		texts[i] = s.Hide(texts[i])
	}
}

func (s *Secrets) line(out func(fleet.Line)) func(fleet.Line) {
	return func(l fleet.Line) {
		if l.Text != "" {
			l.Text = s.Hide(l.Text)
		}
		out(l)
	}
}

// discreet is a Deployer that says no secret.
type discreet struct {
	Deployer
	secrets *Secrets
}

func (d discreet) Do(ctx context.Context, r deploy.Rollout, e deploy.Effect, out func(fleet.Line)) deploy.Event {
	answer := d.Deployer.Do(ctx, r, e, d.secrets.line(out))
	if f, ok := answer.(deploy.Failed); ok {
		f.Reason = d.secrets.Hide(f.Reason)
		f.Tail = slices.Clone(f.Tail)
		d.secrets.all(f.Tail)
		return f
	}
	return answer
}

func (d discreet) Status(ctx context.Context, t deploy.Target) []fleet.HostStatus {
	return d.hosts(d.Deployer.Status(ctx, t))
}

func (d discreet) Audit(ctx context.Context, t deploy.Target, rel deploy.Release) []fleet.HostStatus {
	return d.hosts(d.Deployer.Audit(ctx, t, rel))
}

func (d discreet) hosts(all []fleet.HostStatus) []fleet.HostStatus {
	all = slices.Clone(all)
	for i := range all {
		all[i].Drift = slices.Clone(all[i].Drift)
		d.secrets.all(all[i].Drift)
		all[i].Err = d.hide(all[i].Err)
	}
	return all
}

func (d discreet) Follow(ctx context.Context, t deploy.Target, out func(fleet.Line)) {
	d.Deployer.Follow(ctx, t, d.secrets.line(out))
}

func (d discreet) Commits(ctx context.Context, stack, from, to string) ([]release.Commit, error) {
	all, err := d.Deployer.Commits(ctx, stack, from, to)
	all = slices.Clone(all)
	for i := range all {
		all[i].Subject = d.secrets.star(all[i].Subject)
	}
	return all, d.hide(err)
}

func (d discreet) Prune(stack string, inUse ...string) error {
	return d.hide(d.Deployer.Prune(stack, inUse...))
}

// hiddenError is err in other words.
type hiddenError struct {
	error
	text string
}

func (e hiddenError) Error() string { return e.text }
func (e hiddenError) Unwrap() error { return e.error }

// hide leaves an error alone that tells nothing; one that does is one line then.
func (d discreet) hide(err error) error {
	if err == nil {
		return nil
	}
	text := d.secrets.Hide(strings.ReplaceAll(err.Error(), "\n", "; "))
	if text == err.Error() {
		return err
	}
	return hiddenError{err, text}
}
