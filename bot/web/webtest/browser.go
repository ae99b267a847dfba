// Package webtest drives a real browser, Debian's chromium, for tests: it speaks the
// DevTools protocol with it through a pipe, so no port is open and nothing but
// chromium is needed.
package webtest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a page is waited for.
const Patience = 20 * time.Second

// Browser is a chromium without a window. It ends with its test.
type Browser struct {
	t    testing.TB
	out  *os.File // to chromium
	in   *os.File // from chromium
	mu   sync.Mutex
	last int
	wait map[int]chan message
	tabs map[string]*Page // by session
	gone chan struct{}    // closed when chromium says no more
}

// message is one of the protocol, of either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Open starts chromium. Without it the test is skipped, where CI is set it fails.
func Open(t testing.TB) *Browser {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is missing: apt-get install chromium fonts-dejavu-core")
		}
		t.Skip("chromium is missing: apt-get install chromium fonts-dejavu-core")
	}
	theirIn, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(bin, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--force-color-profile=srgb", "--remote-debugging-pipe", "--user-data-dir="+home, "about:blank")
	c.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as chromium has it
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &Browser{t: t, out: out, in: in, wait: map[int]chan message{}, tabs: map[string]*Page{}, gone: make(chan struct{})}
	var reader sync.WaitGroup
	reader.Go(b.read)
	t.Cleanup(func() {
		_ = b.send("", "Browser.close", nil) // one that hangs is killed below
		select {
		case <-b.gone:
		case <-time.After(3 * time.Second):
		}
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // its helpers too
		_ = c.Wait()                                      // it ends by that signal
		in.Close()
		out.Close()
		reader.Wait()
		_ = os.RemoveAll(home)
	})
	return b
}

func (b *Browser) read() {
	defer close(b.gone)
	lines := bufio.NewReaderSize(b.in, 1<<20)
	for {
		text, err := lines.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		answer, tab := b.wait[m.ID], b.tabs[m.Session]
		delete(b.wait, m.ID)
		b.mu.Unlock()
		switch {
		case answer != nil:
			answer <- m
		case tab != nil:
			tab.heard(m)
		}
	}
}

// send writes a command whose answer nobody waits for.
func (b *Browser) send(session, method string, params any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return b.write(b.last, session, method, params)
}

// write is called with mu held.
func (b *Browser) write(id int, session, method string, params any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	if params == nil {
		raw = []byte("{}")
	}
	text, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: raw})
	if err != nil {
		return err
	}
	_, err = b.out.Write(append(text, 0))
	return err
}

// call has chromium do something and returns what it answers.
func (b *Browser) call(session, method string, params, result any) error {
	answer := make(chan message, 1)
	b.mu.Lock()
	b.last++
	b.wait[b.last] = answer
	err := b.write(b.last, session, method, params)
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-b.gone:
		return fmt.Errorf("%s: chromium has ended", method)
	case <-time.After(Patience):
		return fmt.Errorf("%s: no answer in %v", method, Patience)
	}
}

// Page is one tab.
type Page struct {
	b       *Browser
	t       testing.TB
	session string

	mu         sync.Mutex
	complaints []string
	loads      chan struct{} // one for each document that has loaded
}

// Page opens a tab of so many pixels.
func (b *Browser) Page(width, height int) *Page {
	b.t.Helper()
	var target struct{ TargetID string }
	var attached struct{ SessionID string }
	p := &Page{b: b, t: b.t, loads: make(chan struct{}, 100)}
	b.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target))
	b.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached))
	p.session = attached.SessionID
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", nil, nil)
	}
	p.Size(width, height)
	return p
}

func (b *Browser) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (p *Page) do(method string, params, result any) {
	p.t.Helper()
	p.b.must(p.b.call(p.session, method, params, result))
}

// heard takes what chromium tells of the tab: what went wrong in it, and loads.
func (p *Page) heard(m message) {
	var e struct {
		Type  string
		Args  []struct{ Value, Description any }
		Entry struct{ Level, Source, Text, URL string }

		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	complaint := ""
	switch m.Method {
	case "Page.loadEventFired":
		select {
		case p.loads <- struct{}{}:
		default:
		}
	case "Runtime.exceptionThrown":
		complaint = "exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "assert" {
			complaint = fmt.Sprint("console: ", e.Args)
		}
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Source == "security" {
			complaint = e.Entry.Source + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	}
	if complaint != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.complaints = append(p.complaints, complaint)
	}
}

// Complaints returns the errors on the page's console so far, policies that were
// broken among them, but those that contain one of but.
func (p *Page) Complaints(but ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.complaints), func(c string) bool {
		return slices.ContainsFunc(but, func(b string) bool { return strings.Contains(c, b) })
	})
}

// Go loads an address and waits until it has.
func (p *Page) Go(url string) {
	p.t.Helper()
	for len(p.loads) > 0 {
		<-p.loads
	}
	var r struct{ ErrorText string }
	p.do("Page.navigate", map[string]any{"url": url}, &r)
	if r.ErrorText != "" {
		p.t.Fatalf("load %s: %s", url, r.ErrorText)
	}
	select {
	case <-p.loads:
	case <-time.After(Patience):
		p.t.Fatalf("%s has not loaded in %v", url, Patience)
	}
}

// Eval runs an expression in the page; its value goes into v where that is not nil.
func (p *Page) Eval(js string, v any) {
	p.t.Helper()
	raw, err := p.eval(js)
	p.b.must(err)
	if v != nil {
		if err := json.Unmarshal(raw, v); err != nil {
			p.t.Fatalf("%s is %s: %v", js, raw, err)
		}
	}
}

func (p *Page) eval(js string) (json.RawMessage, error) {
	var r struct {
		Result struct {
			Value json.RawMessage
		}
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true}, &r)
	if err == nil && r.ExceptionDetails != nil {
		err = fmt.Errorf("%s: %s", js, r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value, err
}

// Text is what an element shows; "" without one.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	var s string
	p.Eval(fmt.Sprintf("(e => e ? e.textContent.replace(/\\s+/g, ' ').trim() : '')(document.querySelector(%q))", selector), &s)
	return s
}

// Until waits until an expression is true. A page that is just loading is asked again.
func (p *Page) Until(js string) {
	p.t.Helper()
	deadline := time.Now().Add(Patience)
	var last error
	for time.Now().Before(deadline) {
		raw, err := p.eval("!!(" + js + ")")
		if err == nil && string(raw) == "true" {
			return
		}
		last = err
		select { // twenty times a second
		case <-time.After(50 * time.Millisecond):
		case <-p.b.gone:
		}
	}
	p.t.Fatalf("waited %v for %s (%v); the page says: %.2000s", Patience, js, last, p.Text("body"))
}

// UntilText waits until an element shows a text, among others.
func (p *Page) UntilText(selector, text string) {
	p.t.Helper()
	p.Until(fmt.Sprintf("(e => e && e.textContent.replace(/\\s+/g, ' ').includes(%q))(document.querySelector(%q))", text, selector))
}

// Size changes the size of the tab, in pixels.
func (p *Page) Size(width, height int) {
	p.t.Helper()
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// Dark has the tab say that its person prefers dark pages.
func (p *Page) Dark(on bool) {
	p.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}}}, nil)
}

// Script turns scripts on or off, from the next load on.
func (p *Page) Script(on bool) {
	p.t.Helper()
	p.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": !on}, nil)
}

// Press has a key pressed, such as Tab.
func (p *Page) Press(key string) {
	p.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": map[string]int{"Tab": 9, "Enter": 13}[key]}, nil)
	}
}

// Wide returns how many pixels of the page stand out to the right, and of which elements.
func (p *Page) Wide() (over int, of string) {
	p.t.Helper()
	p.Eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over)
	p.Eval(`[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('pre, svg')).map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')`, &of)
	return over, of
}

// Shot writes a picture of the whole page, DIR/name.png, where the environment says
// which folder: PUSHTRAIN_SHOTS. Else it does nothing.
func (p *Page) Shot(name string) {
	p.t.Helper()
	dir := os.Getenv("PUSHTRAIN_SHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	var r struct{ Data string }
	p.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}
