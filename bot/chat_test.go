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
	held      bool    // the echoes of topics are on their way
	cut       int     // bytes of a topic that the server keeps; 0 = all
	waiting   *string // a topic that waits for the link
	echoes    []irc.Event
}

// note records a line. The channel's other methods end up here.
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
	if c.busy {
		c.waiting = &text
		return
	}
	c.note(fmt.Sprintf("topic    %s", text))
	e := irc.Event(irc.Refused{Command: "TOPIC", Code: 482, Text: "You're not channel operator"})
	if !c.locked {
		if c.cut > 0 && len(text) > c.cut {
			text = text[:c.cut]
			c.note("(cut to) " + text)
		}
		c.topic, c.by = text, "pushbot"
		e = irc.Topic{Text: text, By: irc.Who{Nick: "pushbot", User: "pb", Host: "bot.example"}, Own: true, Exists: true}
	}
	if c.held {
		c.echoes = append(c.echoes, e)
		return
	}
	c.bot.inbox <- e
}

func (c *channel) Say(_ irc.Priority, text string) { c.note("pushbot> " + text) }

func (c *channel) Notice(_ irc.Priority, nick, text string) {
	c.note(fmt.Sprintf("-%s- %s", nick, text))
}

// Waiting is only asked by the bot's own goroutine, and set while that one is idle.
func (c *channel) Waiting() int {
	if c.busy {
		return 1
	}
	return 0
}

// setBusy is called while the bot is idle.
func (c *channel) setBusy(busy bool) {
	c.busy = busy
	if text := c.waiting; !busy && text != nil {
		c.waiting = nil
		c.SetTopic(*text)
	}
}

// release lets the echoes come, in order. It is called while the bot is idle.
func (c *channel) release() {
	c.held = false
	for _, e := range c.echoes {
		c.bot.inbox <- e
	}
	c.echoes = nil
}
