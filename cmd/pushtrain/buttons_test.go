package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/web/webtest"
)

// TestButtons is a push from the page in a real browser: the driver presses the
// stages and the channel sees it; a rider is refused with the channel's own words; a page
// elsewhere, opened in the driver's browser, presses nothing. The last button works without scripts.
func TestButtons(t *testing.T) {
	browser := webtest.Open(t)
	server := irctest.Ngircd(t, irctest.Options{})
	code := newRepo(t)
	code.commit("r1")
	dir := t.TempDir()
	local := func(host string) string {
		return fmt.Sprintf("{name: %s, local: true, root: %q}", host, filepath.Join(dir, host))
	}
	cfg := mustConfig(t, configText(server.Addr(), "#push", filepath.Join(dir, "state"), "", stackText{name: "web", repo: code.dir, root: dir + "/none", princess: local("princess1"), prod: local("web1")}))
	var users strings.Builder
	for _, name := range []string{"ally", "bob"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(name+"-knows"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
	}
	cfg.Web = WebConfig{Listen: freeAddr(t), Auth: AuthConfig{Mode: "basic", PasswordFile: filepath.Join(dir, "users")}, Users: []UserConfig{{User: "ally", Nick: "alice", Account: "alice"}}}
	write(t, cfg.Web.Auth.PasswordFile, users.String(), 0o600)
	stop := startBot(t, cfg)
	alice, bob := joined(t, server.Addr(), "alice"), joined(t, server.Addr(), "bob")
	alice.Say("#push", ".join")
	topic(alice, "alice")
	bob.Say("#push", ".join with alice")
	topic(bob, "alice + bob")

	_, port, _ := strings.Cut(cfg.Web.Listen, ":")
	// A browser keeps a password for each name of the page: so two people fit into one.
	login := func(user, host string) *webtest.Page {
		p := browser.Page(1180, 900)
		p.Go(fmt.Sprintf("http://%s:%s-knows@%s:%s/", user, user, host, port))
		p.Go(fmt.Sprintf("http://%s:%s/", host, port))
		p.Until(`document.body.dataset.live === "1"`)
		return p
	}
	hers, his := login("ally", "127.0.0.1"), login("bob", "localhost")
	hers.UntilText("#part-you", "you are alice")
	his.UntilText("#part-you", "you are bob")
	click := func(p *webtest.Page, label string) {
		t.Helper()
		find := fmt.Sprintf(`[...document.querySelectorAll("button")].find(b => b.textContent.replace(/\s+/g, " ").trim() === %q)`, label)
		p.Until(find)
		p.Eval(find+".click()", nil)
	}

	click(hers, "01. Save the princess with tests")
	bob.Expect("PRIVMSG #push :a\u200blice says on the page: .princess web")
	bob.Expect("web is on princess")
	click(his, "Good")
	topic(alice, "<princess> alice + bob*")

	click(his, "02. Deploy to production")
	his.UntilText("#refused", "No: ")
	his.Shot("real-refused")
	refused := strings.TrimPrefix(his.Text("#refused"), "No: ")
	bob.Say("#push", ".prod")
	bob.Expect("NOTICE bob :" + refused)

	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="http://%s/do"><input name="do" value="prod web"></form>`, cfg.Web.Listen)
	}))
	defer evil.Close()
	lured := browser.Page(400, 800)
	lured.Go(fmt.Sprintf("http://127.0.0.1:%s/", port))
	lured.UntilText("#part-you", "you are alice") // her browser has her password
	lured.Go(evil.URL)
	lured.Eval("document.forms[0].submit()", nil)
	lured.UntilText("body", "this was pressed on a page elsewhere")

	hers.Shot("real-buttons")
	click(hers, "02. Deploy to production")
	bob.Expect("PRIVMSG #push :a\u200blice says on the page: .prod web")
	bob.Expect("web/prod serves ")
	hers.UntilText("#part-ways .stage:last-child .facts", "alice and bob on prod for")
	his.UntilText("#part-ways .stage:last-child .facts", "alice and bob on prod for") // the page that refused is live too
	if over, of := his.Wide(); over > 0 {
		t.Errorf("the page stands out by %d: %s", over, of)
	}
	hers.Size(400, 800)
	if over, of := hers.Wide(); over > 0 {
		t.Errorf("on a phone the page stands out by %d: %s", over, of)
	}
	hers.Shot("real-buttons-phone")

	lured.Script(false)
	lured.Go(fmt.Sprintf("http://127.0.0.1:%s/", port))
	lured.Script(true) // from the next load on: for the test's own click
	click(lured, "Done")
	topic(bob, "clear")
	for name, p := range map[string]*webtest.Page{"hers": hers, "his": his, "lured": lured} {
		if c := p.Complaints("status of 409", "status of 403"); len(c) > 0 { // that is how a browser tells of refusals
			t.Errorf("the console of %s says: %q", name, c)
		}
	}

	stop()
	st, err := openStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var pressed []string
	for rec, err := range st.Records(1) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(rec.Body), "-knows") {
			t.Errorf("the journal has a password: %s", rec.Body)
		}
		if rec.Kind != "train" || rec.Type == "Heard" {
			continue
		}
		in, err := bot.Input(rec)
		if err != nil {
			t.Fatal(err)
		}
		if in.By.Web != "" {
			pressed = append(pressed, in.By.Nick+" as "+in.By.Web+": "+rec.Type)
		}
	}
	if got, want := strings.Join(pressed, ", "), "alice as ally: Step, bob as bob: Vote, alice as ally: Step, alice as ally: Done"; got != want {
		t.Errorf("the journal has %s, want %s", got, want)
	}
}
