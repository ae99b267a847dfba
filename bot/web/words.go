package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"pushtrain/bot"
	"pushtrain/deploy"
)

// span writes a duration in one unit. live.js has the same words: they change together.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return span(-d)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// since writes how long ago t was, so that live.js keeps it right.
func since(now, t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return element(t, "for", whole(now.Sub(t)))
}

// ago is since with the word behind it.
func ago(now, t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return element(t, "ago", whole(now.Sub(t))+" ago")
}

// whole is span without parts of seconds, for what grows while one looks.
func whole(d time.Duration) string {
	d = max(d, 0)
	if d < 90*time.Second {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return span(d)
}

func element(t time.Time, kind, text string) template.HTML {
	iso := t.UTC().Format(time.RFC3339)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%[1]s" data-%s>%s</time>`, iso, kind, text)) // no text of people's is in it
}

// clock is a time of day, in UTC as the channel says it.
func clock(t time.Time) string { return t.UTC().Format("15:04") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stamp is a time in the deploy log.
func stamp(t time.Time) string { return t.UTC().Format("2 Jan 15:04") }

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// short is a release as pages show it.
func short(id string) string { return id[:min(len(id), 10)] }

// title names a stage's button, as Deployinator did.
func (s *Server) title(stack string, g bot.ViewStage) string {
	if t := s.stage(stack, g.Name).Title; t != "" {
		return t
	}
	switch strings.ToLower(g.Name) {
	case "princess":
		if g.Tested {
			return "Save the princess with tests"
		}
		return "Save the princess"
	case "prod", "production":
		return "Deploy to production"
	}
	return "Deploy to " + g.Name
}

func (s *Server) stack(name string) Stack {
	for _, st := range s.cfg.Stacks {
		if st.Name == name {
			return st
		}
	}
	return Stack{Name: name}
}

func (s *Server) stage(stack, name string) Stage {
	for _, g := range s.stack(stack).Stages {
		if g.Name == name {
			return g
		}
	}
	return Stage{Name: name}
}

// diff is where the difference of two releases is shown; "" without a template or two releases.
func (s *Server) diff(stack string, old, new bot.Ship) string {
	t := s.stack(stack).DiffURL
	if t == "" || old.Release == "" || new.Release == "" || old == new {
		return ""
	}
	name := func(r bot.Ship) string {
		if r.Commit != "" {
			return r.Commit
		}
		return r.Release
	}
	return bot.DiffURL(t, stack, name(old), name(new))
}

// brings leads to all that a stack's commits change; "" = nowhere.
func (s *Server) brings(st bot.ViewStack) string {
	if len(st.Commits) == 0 {
		return ""
	}
	ship := func(commit string) bot.Ship { return bot.Ship{Release: commit, Commit: commit} }
	return s.diff(st.Name, ship(st.From), ship(st.Commits[0].Hash))
}

// outcome says how a rollout ended.
func outcome(e bot.Entry) string {
	switch {
	case e.Outcome == deploy.Done && e.Back:
		return "went back"
	case e.Outcome == deploy.Done && e.Host != "":
		return "up to date"
	}
	switch e.Outcome {
	case deploy.Done:
		return "live"
	case deploy.Degraded:
		return "live, not everywhere"
	case deploy.Aborted:
		return "stopped before the flip"
	case deploy.RolledBack:
		return "flipped back"
	}
	return "STUCK"
}

// tone is how an outcome is coloured; the words say it too.
func tone(e bot.Entry) string {
	switch e.Outcome {
	case deploy.Done:
		if e.Back {
			return "warn"
		}
		return "good"
	case deploy.Aborted:
		return "calm"
	case deploy.Degraded, deploy.RolledBack:
		return "warn"
	}
	return "bad"
}

// phase says what a rollout is at.
func phase(s deploy.State) string {
	words := map[deploy.State]string{
		deploy.Intent: "starting", deploy.Building: "building", deploy.Fencing: "asking the hosts", deploy.Preparing: "copying",
		deploy.Verifying: "verifying", deploy.Barrier: "all hosts hold it", deploy.Flipping: "flipping", deploy.Confirming: "confirming",
		deploy.RollBack: "flipping back", deploy.Stuck: "STUCK: its hosts differ", deploy.Aborted: "stopped", deploy.RolledBack: "flipped back",
		deploy.Done: "live", deploy.Degraded: "live, not everywhere",
	}
	if w := words[s]; w != "" {
		return w
	}
	return strings.ToLower(string(s))
}

// count writes 26722.4 as 26,722.
func count(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(n, of int) string { return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of)) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// and lists names as people do.
func and(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
