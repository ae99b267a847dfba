package irc

import (
	"strconv"
	"strings"

	"pushtrain/train"
)

// isupport is what the server said about itself in 005.
type isupport struct {
	casemap  train.Casemap
	topicLen int
	nickLen  int
	whox     bool
	botMode  string // the user mode of bots; "" = there is none
	ranks    string // mode letters of member ranks, highest first
	signs    string // their marks before nicks, in the same order
	listed   string // channel modes that always take a parameter
	setting  string // channel modes that take one only when set
}

func newISupport() isupport {
	return isupport{casemap: train.RFC1459, ranks: "ov", signs: "@+", listed: "bk", setting: "l"}
}

func (is *isupport) read(token string) {
	key, value, _ := strings.Cut(token, "=")
	switch key {
	case "CASEMAPPING":
		is.casemap = train.ParseCasemap(value)
	case "TOPICLEN":
		is.topicLen, _ = strconv.Atoi(value) // not a number: unknown
	case "NICKLEN":
		is.nickLen, _ = strconv.Atoi(value)
	case "BOT":
		if len(value) == 1 {
			is.botMode = value
		}
	case "WHOX":
		is.whox = true
	case "PREFIX":
		ranks, signs, ok := strings.Cut(strings.TrimPrefix(value, "("), ")")
		if ok && len(ranks) == len(signs) {
			is.ranks, is.signs = ranks, signs
		}
	case "CHANMODES":
		if kinds := strings.Split(value, ","); len(kinds) >= 3 {
			is.listed, is.setting = kinds[0]+kinds[1], kinds[2]
		}
	}
}

// takesParam reports whether a channel mode letter comes with a parameter.
func (is *isupport) takesParam(letter byte, on bool) bool {
	return strings.IndexByte(is.ranks, letter) >= 0 ||
		strings.IndexByte(is.listed, letter) >= 0 ||
		on && strings.IndexByte(is.setting, letter) >= 0
}

// splitSigns takes the marks off a nick of 353 and returns them as mode letters.
func (is *isupport) splitSigns(name string) (modes, rest string) {
	for name != "" {
		i := strings.IndexByte(is.signs, name[0])
		if i < 0 {
			break
		}
		modes += is.ranks[i : i+1]
		name = name[1:]
	}
	return modes, name
}

// maySetTopic reports whether a member with these rank letters may set the topic
// under +t: everybody from half operator up. Voice is not enough.
func maySetTopic(modes string) bool { return strings.ContainsAny(modes, "qaoh") }
