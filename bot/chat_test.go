package bot

import (
	"fmt"
	"sync"

	"pushtrain/bot/irc"
)

// channel is a Chat that records what the bot does, and a server that echoes its topics.
type channel struct {
	bot *Bot

	mu        sync.Mutex
	said      []string
	topic, by string  // what the channel shows, and who set it
	locked    bool    // +t, and the bot is no op
	busy      bool    // lines wait: topics do, and the bot gathers
	backlog   int     // lines that wait besides
	held      bool    // the echoes of topics are on their way
	cut       int     // bytes of a topic that the server keeps; 0 = all
	waiting   *string // a topic that waits for the link
	echoes    []irc.Event
}

// set changes what the server does or the channel shows.
func (c *channel) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// shown is the topic, who set it, and whether the bot can write another one now.
func (c *channel) shown() (text, by string, writable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topic, c.by, !c.locked && !c.busy && !c.held
}

// note records a line.
func (c *channel) note(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, line)
}

func (c *channel) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said
	c.said = nil
	return said
}

func (c *channel) SetTopic(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		c.waiting = &text
		return
	}
	c.said = append(c.said, "topic    "+text)
	e := irc.Event(irc.Refused{Command: "TOPIC", Code: 482, Text: "You're not channel operator"})
	if !c.locked {
		if c.cut > 0 && len(text) > c.cut {
			text = text[:c.cut]
			c.said = append(c.said, "(cut to) "+text)
		}
		c.topic, c.by = text, "pushbot"
		e = irc.Topic{Text: text, By: irc.Who{Nick: "pushbot", User: "pb", Host: "bot.example"}, Own: true, Exists: true}
	}
	if c.held {
		c.echoes = append(c.echoes, e)
		return
	}
	c.bot.ear.put(e)
}

func (c *channel) Say(_ irc.Priority, text string) { c.note("pushbot> " + text) }

func (c *channel) Notice(_ irc.Priority, nick, text string) {
	c.note(fmt.Sprintf("-%s- %s", nick, text))
}

func (c *channel) Hand(nick, text string, receipt int) {
	c.Notice(irc.Urgent, nick, text)
	c.bot.ear.put(irc.Delivered{Receipt: receipt})
}

func (c *channel) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return 1 + c.backlog
	}
	return c.backlog
}

// setBusy makes the link busy, or free again: then the newest topic goes.
func (c *channel) setBusy(busy bool) {
	c.mu.Lock()
	c.busy = busy
	text := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	if text != nil {
		c.SetTopic(*text)
	}
}

// release lets the echoes come, in order.
func (c *channel) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	for _, e := range c.echoes {
		c.bot.ear.put(e)
	}
	c.echoes = nil
}
