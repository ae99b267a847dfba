package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pushtrain/bot"
)

const rightWord, local, stranger = "princess saved", "127.0.0.1:4711", "192.0.2.66:4711"

// Press notes what was pressed; whoever does not drive is refused a stage.
func (s *shown) Press(_ context.Context, p bot.Person, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pressed = append(s.pressed, fmt.Sprintf("%s (%s, %s): %s", p.User, p.Nick, p.Account, text))
	if strings.HasPrefix(text, "prod") && p.Nick != "kseever" {
		return "kseever drives <this> train", nil
	}
	return "", nil
}

// htpasswd is a file with a password for each name.
func htpasswd(t *testing.T, names ...string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(rightWord), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:%s\n", name, hash)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// way is one way to say who one is.
type way struct {
	name string
	auth Auth
	as   func(r *http.Request, user string)
}

func ways(t *testing.T) []way {
	people := []bot.Person{{User: "kellan@example.net", Nick: "kseever", Account: "kse"}}
	return []way{
		{"basic", Auth{Passwords: htpasswd(t, "kellan@example.net", "bateman"), People: people}, func(r *http.Request, user string) { r.SetBasicAuth(user, rightWord) }},
		{"header", Auth{Header: "X-Remote-User", Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, People: people}, func(r *http.Request, user string) { r.Header.Set("X-Remote-User", user) }},
	}
}

// calm is a busy afternoon in which kseever may press 02.
func calm() *bot.View {
	v := busy(time.Now())
	v.Trains[0].Running, v.Rollouts = "", nil
	return v
}

// ask sends a request as a browser does; change may alter it.
func ask(s http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:8080"+path, strings.NewReader(body))
	r.RemoteAddr = local
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://localhost:8080")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

var tokenForm = regexp.MustCompile(`name="token" value="([0-9a-f]{64})"`)

// tokenOf is the token of somebody's page.
func tokenOf(t *testing.T, s http.Handler, as func(*http.Request)) string {
	t.Helper()
	w := ask(s, "GET", "/", "", as)
	m := tokenForm.FindStringSubmatch(w.Body.String())
	if w.Code != 200 || m == nil {
		t.Fatalf("%d, and no token in:\n%s", w.Code, w.Body)
	}
	return m[1]
}

func form(token, do string) string { return url.Values{"token": {token}, "do": {do}}.Encode() }

// TestPress: what the driver presses is done by the driver's name in the channel; what
// is refused says so on the page; and all that comes from elsewhere comes to nothing.
func TestPress(t *testing.T) {
	for _, way := range ways(t) {
		t.Run(way.name, func(t *testing.T) {
			src := newShown(t, calm())
			cfg := pageConfig()
			cfg.Auth, cfg.Errors = way.auth, log.New(t.Output(), "", 0)
			s := New(cfg, src)
			driver := func(r *http.Request) { way.as(r, "kellan@example.net") }
			other := func(r *http.Request) { way.as(r, "bateman") }
			page := words(ask(s, "GET", "/", "", driver))
			for _, want := range []string{" you are kseever ", " Good web Uh-oh web Done web ", " Join config ", " Leave ", " Roll back web ", " 02. Deploy to production ", "What is pressed here is said in #push "} {
				if !strings.Contains(page, want) {
					t.Errorf("the driver's page has no %q:\n%s", want, page)
				}
			}
			if p := ask(s, "GET", "/", "", driver).Header().Get("Referrer-Policy"); p != "same-origin" {
				t.Errorf("a browser that knows no Sec-Fetch-Site is told %q, and will say its origin is null", p)
			}
			token := tokenOf(t, s, driver)
			if w := ask(s, "POST", "/do", form(token, "prod web"), driver); w.Code != 303 || w.Header().Get("Location") != "/" {
				t.Errorf("the driver: %d %s", w.Code, w.Body)
			}
			if len(src.pressed) != 1 || src.pressed[0] != "kellan@example.net (kseever, kse): prod web" {
				t.Fatalf("pressed: %q", src.pressed)
			}
			w := ask(s, "POST", "/do", form(tokenOf(t, s, other), "prod web"), other)
			if w.Code != 409 || !strings.Contains(w.Body.String(), "<strong>No:</strong> kseever drives &lt;this&gt; train") || len(src.pressed) != 2 {
				t.Errorf("somebody else: %d %s", w.Code, words(w))
			}
			src.pressed = nil
			set := func(name, value string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set(name, value) }
			}
			for name, c := range map[string]struct {
				want   int
				body   string
				change func(*http.Request)
			}{
				"another site says the browser":  {403, form(token, "prod web"), set("Sec-Fetch-Site", "cross-site")},
				"another name of this site":      {403, form(token, "prod web"), set("Sec-Fetch-Site", "same-site")},
				"another origin, an old browser": {403, form(token, "prod web"), func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }},
				"no origin":                      {403, form(token, "prod web"), func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }},
				"no token":                       {403, form("", "prod web"), nil},
				"the token of another":           {403, form(tokenOf(t, s, other), "prod web"), nil},
				"the token of another process":   {403, form(tokenOf(t, New(cfg, src), driver), "prod web"), nil},
				"a token in the address":         {403, "do=prod+web", func(r *http.Request) { r.URL.RawQuery = "token=" + token }},
				"the name of another host":       {421, form(token, "prod web"), func(r *http.Request) { r.Host = "evil.example" }},
				"no button":                      {400, form(token, "hold web"), nil},
				"a kick":                         {400, form(token, "kick bateman"), nil},
				"a stack that is none":           {400, form(token, "prod everything"), nil},
				"more behind it":                 {400, form(token, "prod web; hold"), nil},
				"a second line":                  {400, form(token, "prod\n.hold"), nil},
				"nothing":                        {400, form(token, ""), nil},
				"too much":                       {400, form(token, strings.Repeat("x", maxForm)), nil},
			} {
				change := c.change
				if change == nil {
					change = func(*http.Request) {}
				}
				if w := ask(s, "POST", "/do", c.body, driver, change); w.Code != c.want {
					t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
				}
			}
			for _, path := range []string{"/", "/log", "/do/"} {
				if w := ask(s, "POST", path, form(token, "prod web"), driver); w.Code != 405 {
					t.Errorf("POST %s: %d", path, w.Code)
				}
			}
			for _, m := range []string{"GET", "PUT", "DELETE", "HEAD"} {
				if w := ask(s, m, "/do?"+form(token, "prod web"), "", driver); w.Code != 405 && w.Code != 404 {
					t.Errorf("%s /do: %d", m, w.Code)
				}
			}
			if len(src.pressed) > 0 {
				t.Errorf("it came to %q", src.pressed)
			}
		})
	}
}

// TestLogin: who does not say who they are, or not so that it can be believed, reads and presses nothing.
func TestLogin(t *testing.T) {
	for _, way := range ways(t) {
		src := newShown(t, calm())
		s := New(Config{Auth: way.auth}, src)
		right := func(r *http.Request) { way.as(r, "bateman") }
		token := tokenOf(t, s, right)
		type attempt struct {
			want   int
			change func(*http.Request)
		}
		cases := map[string]attempt{"nobody": {map[string]int{"basic": 401, "header": 403}[way.name], func(*http.Request) {}}}
		switch way.name {
		case "basic":
			cases["a wrong password"] = attempt{401, func(r *http.Request) { r.SetBasicAuth("bateman", "princess lost") }}
			cases["somebody unknown"] = attempt{401, func(r *http.Request) { r.SetBasicAuth("mallory", rightWord) }}
			cases["no name"] = attempt{401, func(r *http.Request) { r.SetBasicAuth("", rightWord) }}
			cases["a header that nobody asked for"] = attempt{401, func(r *http.Request) { r.Header.Set("X-Remote-User", "bateman") }}
		default:
			cases["a stranger who says so too"] = attempt{403, func(r *http.Request) { right(r); r.RemoteAddr = stranger }}
			cases["a stranger who says for whom"] = attempt{403, func(r *http.Request) {
				right(r)
				r.RemoteAddr = stranger
				r.Header.Set("X-Forwarded-For", "127.0.0.1")
			}}
			cases["no address"] = attempt{403, func(r *http.Request) { right(r); r.RemoteAddr = "@" }}
			cases["two names"] = attempt{403, func(r *http.Request) { right(r); r.Header.Add("X-Remote-User", "kellan@example.net") }}
			cases["no name"] = attempt{403, func(r *http.Request) { way.as(r, "") }}
		}
		for name, c := range cases {
			for _, path := range []string{"/", "/index.json", "/events", "/metrics", "/static/live.js", "/rollouts/118", "/nothing"} {
				w := ask(s, "GET", path, "", c.change)
				if w.Code != c.want && !(way.name == "basic" && w.Code == 429) || strings.Contains(w.Body.String(), "kseever") {
					t.Errorf("%s, %s, GET %s: %d %.100s", way.name, name, path, w.Code, w.Body)
				}
			}
			if w := ask(s, "POST", "/do", form(token, "join web"), c.change); w.Code != c.want && w.Code != 429 {
				t.Errorf("%s, %s, POST: %d", way.name, name, w.Code)
			}
		}
		if len(src.pressed) > 0 {
			t.Errorf("it came to %q", src.pressed)
		}
	}
}

// TestNoAuth: where nobody is asked, there is no form, no button, and nothing to press.
func TestNoAuth(t *testing.T) {
	src := newShown(t, calm())
	s := New(pageConfig(), src)
	if body := ask(s, "GET", "/", "").Body.String(); strings.Contains(body, "<form id=\"press\"") || strings.Contains(body, "<button") || strings.Contains(body, "token") || !strings.Contains(body, "Nothing can be pressed here") {
		t.Errorf("there is something to press:\n%s", body)
	}
	w := ask(s, "POST", "/do", form(s.token(bot.Person{User: "bateman"}), "prod web"), func(r *http.Request) {
		r.SetBasicAuth("bateman", rightWord)
		r.Header.Set("X-Remote-User", "bateman")
	})
	if w.Code != 405 || len(src.pressed) > 0 {
		t.Errorf("POST: %d, %q", w.Code, src.pressed)
	}
}

// TestGuessing: wrong passwords are few, for a name and for an address; who is
// logged in goes on, and who has been struck off does not. The log holds no word of it.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := htpasswd(t, "bateman", "corey")
		var said bytes.Buffer
		s := New(Config{Auth: Auth{Passwords: path}, Errors: log.New(&said, "", 0)}, newShown(t, calm()))
		try := func(want int, addr, name, password string) {
			t.Helper()
			w := ask(s, "GET", "/index.json", "", func(r *http.Request) { r.RemoteAddr = addr; r.SetBasicAuth(name, password) })
			if w.Code != want {
				t.Errorf("%s as %s: %d, want %d", addr, name, w.Code, want)
			}
			if (w.Header().Get("Retry-After") != "") != (want == 429) {
				t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
		}
		try(200, local, "bateman", rightWord)
		for range wrongOfName {
			try(401, local, "bateman", "guess")
			try(401, local, "corey", "guess")
		}
		try(429, local, "bateman", "guess")
		try(429, local, "corey", rightWord) // too late
		try(200, local, "bateman", rightWord)
		try(200, "[2001:db8::1]:1", "corey", rightWord)
		for i := range wrongOfAddr {
			try(401, fmt.Sprintf("[2001:db8:0:1::%x]:1", i+1), fmt.Sprint("name", i), "guess")
		}
		try(429, "[2001:db8:0:1::ffff]:1", "bateman", "guess")
		try(401, "[2001:db8:0:2::1]:1", "bateman", "guess")
		time.Sleep(wrongWindow)
		try(200, local, "corey", rightWord)
		hash, err := bcrypt.GenerateFromPassword([]byte("another"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "corey:%s\n", hash), 0o600); err != nil {
			t.Fatal(err)
		}
		try(401, local, "bateman", rightWord)
		try(401, local, "corey", rightWord)
		if err := os.WriteFile(path, []byte("corey:"+rightWord+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		try(500, local, "corey", rightWord)
		if said.Len() == 0 || strings.Contains(said.String(), rightWord) || strings.Contains(said.String(), "guess") || strings.Contains(said.String(), "corey") {
			t.Errorf("the log says %q", said.String())
		}
	})
}

func TestPasswordFiles(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte(rightWord), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dear := strings.Replace(string(hash), "$04$", "$15$", 1)
	path := filepath.Join(t.TempDir(), "users")
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string // "" = it is good
	}{
		{"# people\n\nalice:" + string(hash) + "\r\nbob:" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n", 0o640, ""},
		{"", 0o600, ""},
		{"alice:" + string(hash), 0o644, "others may read or change "},
		{"alice:" + string(hash), 0o660, "others may read or change "},
		{"alice:secret", 0o600, path + ":1: no bcrypt hash"},
		{"\nalice:$apr1$abcdefgh$secret", 0o600, path + ":2: no bcrypt hash"},
		{"secret", 0o600, path + ":1: no bcrypt hash"},
		{":" + string(hash), 0o600, path + ":1: this is no `name:hash`"},
		{"alice:" + dear, 0o600, path + ":1: the hash costs 2^15 rounds"},
		{"alice:" + string(hash) + "\nalice:" + string(hash), 0o600, path + ":2: this name is there twice"},
		{strings.Repeat("#", 1<<20+1), 0o600, path + " has more than "},
	} {
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		err := CheckPasswords(path)
		if (err == nil) != (c.want == "") || err != nil && (!strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%.40q, mode %04o: %v, want %q", c.text, c.mode, err, c.want)
		}
	}
	if err := CheckPasswords(path + ".none"); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// TestStreamOfOne: the stream has the part that is of one person, each their own.
func TestStreamOfOne(t *testing.T) {
	src := newShown(t, calm())
	way := ways(t)[1]
	s := New(Config{Auth: way.auth}, src)
	url, _ := serve(t, s, "127.0.0.1:0")
	for user, nick := range map[string]string{"kellan@example.net": "kseever", "bateman": "bateman"} {
		f := followAs(t, url+"/events", "", func(r *http.Request) { way.as(r, user) })
		if n := newsOf(t, f.next()); !strings.Contains(n.Parts["you"], "you are <b>"+nick+"</b>") || len(n.Parts) != len(parts)+1 {
			t.Errorf("%s gets %q", user, n.Parts["you"])
		}
	}
	if n, err := s.draw(); err != nil || n.Parts["you"] != "" {
		t.Errorf("what all get has the part of one, %v: %s", err, n.Parts["you"])
	}
}

// TestStruckOff: whoever is struck off the file follows nothing any more; the others go on,
// also while the file can't be read.
func TestStruckOff(t *testing.T) {
	src := newShown(t, busy(time.Now()))
	file := htpasswd(t, "bateman", "corey")
	s := New(Config{Auth: Auth{Passwords: file}}, src)
	s.quiet = 10 * time.Millisecond
	url, _ := serve(t, s, "127.0.0.1:0")
	var streams []*follower
	for _, user := range []string{"bateman", "corey"} {
		for _, path := range []string{"/events", "/rollouts/119/events"} {
			f := followAs(t, url+path, "", func(r *http.Request) { r.SetBasicAuth(user, rightWord) })
			f.next()
			streams = append(streams, f)
		}
	}
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		next := file + ".new"
		if err := errors.Join(os.WriteFile(next, []byte(text), 0o600), os.Rename(next, file)); err != nil {
			t.Fatal(err)
		}
	}
	write("half a line")
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = local
	r.SetBasicAuth("bateman", rightWord)
	if !s.mayStill(r) {
		t.Error("a file that can't be read ends what is followed")
	}
	write(regexp.MustCompile("(?m)^bateman:.*\n").ReplaceAllString(string(all), ""))
	streams[0].over()
	streams[1].over()
	src.set(func(v *bot.View) { v.Message = "corey goes on" })
	for {
		if n := newsOf(t, streams[2].next()); strings.Contains(n.Parts["hold"], "corey goes on") {
			break
		}
	}
}

// TestOps: ops see what only they and riders may press, in the words of the identity that counts.
func TestOps(t *testing.T) {
	v := busy(time.Now())
	v.Ops = []string{"Rasmus", "kse"}
	s := New(pageConfig(), newShown(t, v))
	careful := func(p bot.Person) string {
		var do []string
		for _, b := range s.youOf(p, v).Careful {
			do = append(do, b.Do)
		}
		return strings.Join(do, ", ")
	}
	nobody, op := bot.Person{Nick: "nobody", Account: "rasmus"}, bot.Person{Nick: "rasmus", Account: "ras"}
	if got := careful(op); got != "abort web, rollback web, rollback config" {
		t.Errorf("an op may press %q", got)
	}
	if got := careful(nobody); got != "" {
		t.Errorf("one who has an op's name as an account may press %q", got)
	}
	v.Accounts = true
	if got := careful(nobody); got != "abort web, rollback web, rollback config" {
		t.Errorf("an op by account may press %q", got)
	}
	if got := careful(op); got != "" {
		t.Errorf("one who has an op's name may press %q", got)
	}
}

// TestAsks: all see what waits for a second person, and until when; who may be that has a button for it.
func TestAsks(t *testing.T) {
	v := calm()
	v.Trains[0].Asks = bot.ViewAsk{Stage: "prod", By: "kseever", Since: v.At.Add(-time.Minute), Until: v.At.Add(14 * time.Minute)}
	has := func(nick string) bool {
		for _, b := range New(Config{}, newShown(t, v)).youOf(bot.Person{User: nick, Nick: nick}, v).Buttons {
			if b == (button{"confirm web", "Confirm prod web"}) {
				return isButton(b.Do, v)
			}
		}
		return false
	}
	if has("kseever") || has("bateman") || !has("jameslee") {
		t.Errorf("the driver has the button: %v; somebody else: %v; another rider: %v", has("kseever"), has("bateman"), has("jameslee"))
	}
	const said = "kseever asks for prod of another rider: <kbd>.confirm</kbd>"
	if body := get(New(Config{}, newShown(t, v)), "/").Body.String(); !strings.Contains(body, said) {
		t.Error("the page does not say who asks")
	}
	v.Trains[0].Asks.Until = v.At.Add(-time.Minute)
	if body := get(New(Config{}, newShown(t, v)), "/").Body.String(); has("jameslee") || strings.Contains(body, said) {
		t.Error("the page still asks when it is too late")
	}
}
