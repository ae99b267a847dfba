package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// demoHostNames are the demo's hosts: the first is the princess fleet.
var demoHostNames = []string{"princess1", "web1", "web2", "web3"}

func demoConfigPath(dir string) string { return filepath.Join(dir, "config.yaml") }

func demoConfig(dir, irc string) string {
	root := func(host string) string { return filepath.Join(dir, "hosts", host) }
	return fmt.Sprintf(`irc:
  server: %q
  tls: false
  nick: pushbot
  channel: "#push"
stacks:
  - name: web
    source: {repo: %q, branch: main, build: [./build], tree: dist}
    drain: 1s
    stages:
      - name: princess
        hosts: [{name: princess1, local: true, root: %q}]
        test: [./test]
      - name: prod
        hosts:
          - {name: web1, local: true, root: %q}
          - {name: web2, local: true, root: %q}
          - {name: web3, local: true, root: %q}
state_dir: %q
`, irc, filepath.Join(dir, "site"), root("princess1"), root("web1"), root("web2"), root("web3"), filepath.Join(dir, "state"))
}

func demoWelcome(dir, irc, web, page string) string {
	host, port, err := net.SplitHostPort(irc)
	if err != nil {
		panic(err) // unreachable: it is a listener's address
	}
	return fmt.Sprintf(`pushtrain demo: an IRC server, a bot with its page, a site and four hosts, on this machine alone.
Ctrl-C ends it and removes all of it.

  page   http://%s/     the queue, what is live, rollouts as they run, the deploy log
  look   http://%s/     the site as each of the four hosts serves it
  join   irssi -c %s -p %s -n you                   then type: /join #push
         weechat 'irc://you@%s:%s/#push'
         any other client: server %s, port %s, no TLS, channel #push
  shell  %s -c %s status
  files  %s     a host is a folder: yin, yang, and the link current

The topic of #push is the queue. princess1 is the stage before production, web1 to web3 are production.

`, page, web, host, port, host, port, host, port, os.Args[0], demoConfigPath(dir), filepath.Join(dir, "hosts"))
}

const demoYourTurn = `
Now you: a change of yours waits in the repository. Join #push and type, one after the other,

  .join        take a seat: the topic names you, and you drive
  .princess    your change goes to princess1, its tests run beside it
  .prod        the same release goes to web1, web2 and web3, at once
  .rollback    they are back on the release before; .unhold lifts the hold that this sets
  .done        your train ends

.help lists the other words. What it answers to you alone is a notice, which many clients
show in the server's window: in irssi that is window 1, Alt-1 goes there and Alt-2 comes back.
Ctrl-C ends the demo.
`
