package ircd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, opts ircd.Options) *ircd.Server {
	t.Helper()
	server, err := ircd.Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// ask sends a line and expects an answer, for each pair.
func ask(t *testing.T, c *irctest.Client, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		c.Send(pairs[i])
		c.Expect(pairs[i+1])
	}
}

// TestAgainstNgircd asks a real server and this one the same questions.
func TestAgainstNgircd(t *testing.T) {
	story := func(t *testing.T, addr string) {
		alice := irctest.Dial(t, addr, "alice")
		bob := irctest.Dial(t, addr, "bob")
		ask(t, alice,
			"NOSUCH thing", ` 421 alice NOSUCH :`,
			"JOIN", ` 461 alice JOIN :`,
			"JOIN push", ` 403 alice push :`,
			"TOPIC #push", ` (403|442) alice #push :`,
			"PRIVMSG nobody :hi", ` 401 alice nobody :`,
			"PRIVMSG", ` 411 alice :`,
			"PRIVMSG bob", ` 412 alice :`,
			"NICK bob", ` 433 alice bob :`,
			"NICK 0wrong", ` 432 alice 0wrong :`,
			"JOIN #push", `^:alice!~alice@127.0.0.1 JOIN :?#push`,
			"NAMES #push", ` 353 alice = #push :@alice ?$`,
			"TOPIC #push", ` 331 alice #push :`,
			"TOPIC #push :a + b", `^:alice!~alice@127.0.0.1 TOPIC #push :a \+ b$`,
			"TOPIC #push", ` 332 alice #push :a \+ b$`,
			"MODE #push b", ` 368 alice #push :`,
			"MODE #push +t", `^:alice!\S+ MODE #push :?\+t`,
			"MODE #push", ` 324 alice #push :?\+\w*t`,
			"WHO #push", ` 352 alice #push ~alice 127.0.0.1 \S+ alice H@ :0 alice`,
			"WHO #push", ` 315 alice #push :`,
			"USERHOST alice", ` 302 alice :alice=\+~?alice@127.0.0.1`,
			"ISON bob nobody alice", ` 303 alice :bob alice`,
			"WHOIS bob", ` 311 alice bob ~bob 127.0.0.1 \* :bob`,
			"LIST", ` 322 alice #push 1 :a \+ b`,
			"LIST", ` 323 alice :`,
			"AWAY :lunch", ` 306 alice :`,
			"AWAY", ` 305 alice :`,
			"MOTD", ` (376|422) `,
			"PING :12 34", ` PONG \S+ :12 34$`,
		)
		ask(t, bob,
			"JOIN #PUSH", `(?i)^:bob!~bob@127.0.0.1 JOIN :?#push`,
			"TOPIC #push", `(?i) 332 bob #push :a \+ b$`,
			"TOPIC #push", `(?i) 333 bob #push alice\S* \d+$`,
			"TOPIC #push :mine", ` 482 bob #push :`,
			"MODE #push +o bob", ` 482 bob #push :`,
			"KICK #push alice", ` 482 bob #push :`,
		)
		alice.Send("MODE #push +o bob")
		bob.Expect(`^:alice!\S+ MODE #push \+o :?bob`)
		ask(t, bob, "TOPIC #push :mine", `^:bob!\S+ TOPIC #push :mine`)
		alice.Expect(`^:bob!\S+ TOPIC #push :mine`)
		bob.Say("#push", "hello : you")
		alice.Expect(`^:bob!~bob@127.0.0.1 PRIVMSG #push :hello : you$`)
		bob.Send("NICK robert")
		alice.Expect(`^:bob!~bob@127.0.0.1 NICK :?robert$`)
		alice.Send("KICK #push robert :bye now")
		bob.Expect(`^:alice!\S+ KICK #push robert :bye now$`)
		ask(t, bob, "PART #push", ` 442 `, "PART #none", ` 403 `)
		ask(t, alice, "MODE #push +k sesame", `MODE #push \+k :?sesame`)
		ask(t, bob, "JOIN #push", ` 475 \S+ #push :`, "JOIN #push sesame", `^:robert!\S+ JOIN`)
		bob.Send("QUIT :home")
		alice.Expect(`^:robert!\S+ QUIT :.*home`)
		bob.ExpectEnd()
		// The topic and the operators go with the last one.
		ask(t, alice, "PART #push :gone", `^:alice!\S+ PART #push :"?gone`)
		ask(t, alice, "JOIN #push", ` 366 `, "TOPIC #push", ` 331 `)
		alice.Send("TOPIC #push :" + strings.Repeat("x", 510))
		alice.Expect(`^ERROR :.*Request too long`)
		alice.ExpectEnd()
	}
	t.Run("ircd", func(t *testing.T) { story(t, listen(t, ircd.Options{}).Addr()) })
	t.Run("ngircd", func(t *testing.T) { story(t, irctest.Ngircd(t, irctest.Options{}).Addr()) })
}

func TestOptions(t *testing.T) {
	server := listen(t, ircd.Options{Name: "hub", Network: "testnet", Casemap: "rfc1459", TopicLen: 5, NickLen: 6, MOTD: "welcome"})
	alice := irctest.Dial(t, server.Addr(), "a[ice")
	ask(t, alice,
		"MOTD", `^:hub 372 \S+ :- welcome`,
		"NICK a{ice", `^:a\[ice!\S+ NICK :?a\{ice`,
		"NICK toolong", ` 432 `,
		"JOIN #push", ` 366 `,
		"TOPIC #push :abcdéf", ` TOPIC #push :abcd$`,
		"MODE #push +l 1", `MODE #push \+l 1`,
	)
	bob := irctest.Dial(t, server.Addr(), "bob")
	ask(t, bob, "NICK A[ICE", ` 433 `, "JOIN #push", ` 471 `)
	ask(t, alice, "MODE #push -l+i", `MODE #push \+i`)
	ask(t, bob, "JOIN #push", ` 473 `)
	bob.Say("#push", "from outside")
	alice.Expect(`PRIVMSG #push :from outside`)
	ask(t, alice, "MODE #push +n", `MODE #push \+n`)
	ask(t, bob, "PRIVMSG #push :outside", ` 404 bob #push :`)
}

// raw opens a link that says nothing by itself.
func raw(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(irctest.Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestRegistration(t *testing.T) {
	server := listen(t, ircd.Options{Accounts: map[string]string{"alice": "secret"}})
	watcher := irctest.Dial(t, server.Addr(), "watcher")
	ask(t, watcher, "CAP REQ :extended-join account-notify account-tag", ` CAP watcher ACK :`)
	watcher.Join("#push")

	conn := raw(t, server.Addr())
	in := bufio.NewScanner(conn)
	talk := func(line, want string) {
		t.Helper()
		fmt.Fprintf(conn, "%s\r\n", line)
		for in.Scan() {
			if strings.Contains(in.Text(), want) {
				return
			}
		}
		t.Fatalf("after %q the link ended without %q", line, want)
	}
	talk("JOIN #push", " 451 ")
	talk("CAP LS 302", "sasl")
	fmt.Fprint(conn, "NICK alice\r\nUSER alice 0 * :Alice L\r\n")
	talk("CAP REQ :sasl nonsense", "NAK")
	talk("AUTHENTICATE PLAIN", " 904 ")
	talk("CAP REQ :sasl server-time", "ACK")
	talk("AUTHENTICATE SCRAM", " 904 ")
	talk("AUTHENTICATE PLAIN", "AUTHENTICATE +")
	talk("AUTHENTICATE AGFsaWNlAHdyb25n", " 904 ") // \0alice\0wrong
	talk("AUTHENTICATE PLAIN", "AUTHENTICATE +")
	talk("AUTHENTICATE AGFsaWNlAHNlY3JldA==", " 903 ") // \0alice\0secret
	talk("CAP END", " 001 alice ")
	talk("USER alice 0 * :again", " 462 ")
	talk("CAP LIST", ":server-time sasl")
	talk("JOIN #push", "@time=")
	watcher.Expect(`^@account=alice :alice!~alice@127.0.0.1 JOIN #push alice :Alice L$`)
	ask(t, watcher, "WHO #push %tuhna,9", ` 354 watcher 9 ~alice 127.0.0.1 alice :alice$`, "WHOIS alice", ` 330 watcher alice alice `)
	server.Login("alice", "")
	watcher.Expect(`^:alice!\S+ ACCOUNT :\*$`)
}

func TestFaults(t *testing.T) {
	server := listen(t, ircd.Options{})
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	bob := irctest.Dial(t, server.Addr(), "bob")
	bob.Join("#push")

	if server.Kill("nobody") || !server.Kill("bob") {
		t.Error("Kill found the wrong ones")
	}
	bob.Expect(`^ERROR :Closing Link: Killed`)
	bob.ExpectEnd()
	alice.Expect(`^:bob!\S+ QUIT :Closing Link: Killed`)
	server.Inject("alice", "hello")
	alice.Expect(`^hello$`)

	server.Freeze()
	conn := raw(t, server.Addr())
	fmt.Fprint(conn, "NICK carol\r\nUSER carol 0 * :c\r\nPING :x\r\n")
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("a frozen server wrote %d bytes", n)
	}
	server.Thaw()
	alice.Sync()

	server.Drop()
	alice.ExpectEnd()
	irctest.Dial(t, server.Addr(), "alice").Join("#push")
}

func TestPenalty(t *testing.T) {
	const penalty = 30 * time.Millisecond
	server := listen(t, ircd.Options{Penalty: penalty})
	alice := irctest.Dial(t, server.Addr(), "alice")
	began := time.Now()
	for range 5 {
		alice.Send("ISON alice")
	}
	alice.Sync()
	if took := time.Since(began); took < 5*penalty {
		t.Errorf("5 lines were worked off in %v", took)
	}
}

// TestSlowClient: who does not read is dropped, and nobody waits for them.
func TestSlowClient(t *testing.T) {
	server := listen(t, ircd.Options{})
	conn := raw(t, server.Addr())
	fmt.Fprint(conn, "NICK slow\r\nUSER slow 0 * :s\r\nJOIN #push\r\n")
	for in := bufio.NewScanner(conn); in.Scan() && !strings.Contains(in.Text(), " 366 "); {
	}
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	line := strings.Repeat("x", 400)
	dropped := false
	for range 200 {
		for range 200 {
			alice.Say("#push", line)
		}
		for _, seen := range alice.Sync() {
			dropped = dropped || strings.HasPrefix(seen, ":slow!") && strings.Contains(seen, " QUIT ")
		}
		if dropped {
			return
		}
	}
	t.Error("the slow client was not dropped")
}

func TestClose(t *testing.T) {
	server := listen(t, ircd.Options{})
	conn := raw(t, server.Addr())
	server.Freeze()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the link after Close: %v", err)
	}
	if server.Kill("x") || server.Close() != nil {
		t.Error("a closed server still acts")
	}
	if _, err := ircd.Listen("nowhere:x", ircd.Options{}); err == nil {
		t.Error("Listen on nonsense succeeded")
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"JOIN #a,#b k", "MODE #push +ooltk-v a b c", "@x :y PRIVMSG", "CAP REQ :-sasl", "WHO", "KICK #push x :", "TOPIC #push :\r\nNICK b", "\x00", ":", "@", "USER", "WHOIS a b", "PART ,,"} {
		f.Add(seed)
	}
	server, err := ircd.Listen("127.0.0.1:0", ircd.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	f.Fuzz(func(t *testing.T, lines string) {
		conn := raw(t, server.Addr())
		defer conn.Close()
		go fmt.Fprintf(conn, "NICK n\r\nUSER u 0 * :r\r\nJOIN #push\r\n%s\r\nQUIT\r\n", lines)
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("after %q: %v", lines, err)
		}
	})
}
