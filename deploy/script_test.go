package deploy_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt; review the change as one of behaviour")

// TestScripts plays testdata/*.txt. A line with ">" is an input; below it stand
// the state that the rollout is in after it and the effects, or the refusal.
// Each input comes a second after the one before. A line with "#" is a comment.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(data) {
				t.Errorf("%s plays differently:\n%s", name, got)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	var out strings.Builder
	var book deploy.Book
	var id uint64
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for lines := bufio.NewScanner(strings.NewReader(script)); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&out, line)
			continue
		}
		in, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue // an output of the time before
		}
		fmt.Fprintln(&out, line)
		at = at.Add(time.Second)
		e := parse(t, in)
		next, effects, err := book.Apply(deploy.Input{At: at, ID: id, Event: e})
		if err != nil {
			fmt.Fprintf(&out, "    refused: %v\n", err)
			continue
		}
		if _, ok := e.(deploy.Start); ok {
			id = next.Last
		}
		book = next
		if r, ok := book.Open[id]; ok {
			fmt.Fprintf(&out, "  %s\n", r.State)
		} else {
			fmt.Fprintf(&out, "  over\n")
		}
		for _, e := range effects {
			fmt.Fprintf(&out, "    %s\n", show(e))
		}
	}
	return out.String()
}

// show writes an effect as its name and its fields.
func show(e deploy.Effect) string {
	v := reflect.ValueOf(e)
	words := []string{strings.ToLower(v.Type().Name())}
	for i := range v.NumField() {
		switch f := v.Field(i).Interface().(type) {
		case deploy.Release:
			words = append(words, f.ID)
		case uint64:
			words = append(words, fmt.Sprintf("epoch=%d", f))
		case []string:
		case bool:
			if f {
				words = append(words, strings.ToLower(v.Type().Field(i).Name))
			}
		default:
			if name := v.Type().Field(i).Name; fmt.Sprint(f) != "" && (name == "From" || name == "Side") {
				words = append(words, fmt.Sprintf("%s=%v", strings.ToLower(name), f))
			} else if fmt.Sprint(f) != "" {
				words = append(words, fmt.Sprint(f))
			}
		}
	}
	return strings.Join(words, " ")
}

// parse reads an input: its event, its operands, and key=value or bare options.
//
//	start STACK STAGE HOST,… REF by=NAME [test] [check] | … release=ID [back] …
//	… quarantine=N
//	fenced HOST [live=SIDE] [yin=ID] [yang=ID] [epoch=N]       confirmed likewise
//	failed KIND HOST|- [clean] REASON…
//	undo NAME [hosts=HOST,… | WHY…]                            forward NAME [hosts=HOST,…]
func parse(t *testing.T, line string) deploy.Event {
	words := strings.Fields(line)
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	opt := func(key string) string {
		for _, w := range words {
			if v, ok := strings.CutPrefix(w, key+"="); ok {
				return v
			} else if w == key {
				return "yes"
			}
		}
		return ""
	}
	standing := func() deploy.Standing {
		s := deploy.Standing{Live: deploy.Side(opt("live")), Sides: map[deploy.Side]deploy.Seal{}}
		for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
			if id := opt(string(side)); id != "" {
				s.Sides[side] = deploy.Seal{Release: id, Digest: rel(id).Digest}
			}
		}
		if n := opt("epoch"); n != "" {
			var err error
			if s.Epoch, err = strconv.ParseUint(n, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	rest := func(i int) string { return strings.Join(words[min(i, len(words)):], " ") }
	switch words[0] {
	case "start":
		s := deploy.Start{Target: deploy.Target{Stack: arg(1), Stage: arg(2)}, Hosts: strings.Split(arg(3), ","), By: opt("by"),
			Test: opt("test") != "", Check: opt("check") != "", Back: opt("back") != ""}
		if n := opt("quarantine"); n != "" {
			var err error
			if s.MaxQuarantine, err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
		if id := opt("release"); id != "" {
			s.Release = rel(id)
		} else {
			s.Ref = arg(4)
		}
		return s
	case "commit":
		return deploy.Commit{}
	case "pulled":
		return deploy.Pulled{Host: arg(1)}
	case "abort":
		return deploy.Abort{By: arg(1), Why: rest(2)}
	case "undo":
		if hosts := opt("hosts"); hosts != "" {
			return deploy.Undo{By: arg(1), Hosts: strings.Split(hosts, ",")}
		}
		return deploy.Undo{By: arg(1), Why: rest(2)}
	case "forward":
		e := deploy.Forward{By: arg(1)}
		if hosts := opt("hosts"); hosts != "" {
			e.Hosts = strings.Split(hosts, ",")
		}
		return e
	case "resume":
		return deploy.Resume{}
	case "built":
		return deploy.Built{Release: rel(arg(1))}
	case "tested":
		return deploy.Tested{}
	case "checked":
		return deploy.Checked{}
	case "fenced":
		return deploy.Fenced{Host: arg(1), Standing: standing()}
	case "confirmed":
		return deploy.Confirmed{Host: arg(1), Standing: standing()}
	case "prepared":
		return deploy.Prepared{Host: arg(1)}
	case "verified":
		return deploy.Verified{Host: arg(1)}
	case "flipped":
		return deploy.Flipped{Host: arg(1), Took: time.Millisecond}
	case "unlocked":
		return deploy.Unlocked{Host: arg(1)}
	case "failed":
		f := deploy.Failed{Kind: deploy.Kind(arg(1)), Host: strings.TrimPrefix(arg(2), "-"), Clean: arg(3) == "clean", Reason: rest(3)}
		if f.Clean {
			f.Reason = rest(4)
		}
		return f
	}
	t.Fatalf("unknown input %q", line)
	return nil
}
