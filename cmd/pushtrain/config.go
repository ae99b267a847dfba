package main

import (
	"strings"
	"time"
)

// Config is the configuration file. config.example.yaml beside go.mod says what each
// key means, with its unit and its default; the two are held together by a test.
//
// A Config without a problem is complete: defaults are filled in, and every rule in
// config_check.go holds.
type Config struct {
	IRC      IRCConfig      `yaml:"irc"`
	Train    TrainConfig    `yaml:"train"`
	Stacks   []StackConfig  `yaml:"stacks"` // in order; the first is the default
	SSH      SSHConfig      `yaml:"ssh"`
	Web      WebConfig      `yaml:"web"`
	Tell     TellConfig     `yaml:"tell"`
	People   []PersonConfig `yaml:"people"`
	Audit    time.Duration  `yaml:"audit"`     // how often hosts read all of what they serve; 0 = never
	BuildDir string         `yaml:"build_dir"` // where commits are built; "" = in StateDir
	StateDir string         `yaml:"state_dir"`
}

// IRCConfig is the server, the channel, and who the bot is there.
type IRCConfig struct {
	Server       string     `yaml:"server"` // host:port
	TLS          bool       `yaml:"tls"`
	CAFile       string     `yaml:"ca_file"`   // "" = the system's
	CertFile     string     `yaml:"cert_file"` // "" = no client certificate
	KeyFile      string     `yaml:"key_file"`  // see secretFile
	Insecure     bool       `yaml:"insecure"`  // plain text may leave this machine
	Nick         string     `yaml:"nick"`
	Channel      string     `yaml:"channel"`
	Prefix       string     `yaml:"prefix"`        // of commands
	PasswordFile string     `yaml:"password_file"` // the server's; "" = none. See readSecret
	SASL         SASLConfig `yaml:"sasl"`
	Identity     string     `yaml:"identity"`     // auto, account, hostmask or nick
	ConfirmCode  bool       `yaml:"confirm_code"` // without accounts a rollout needs a one-time code
	Ops          []string   `yaml:"ops"`          // accounts or nicks, by Identity
}

// SASLConfig is how the bot logs in. Mechanism "" = it does not.
type SASLConfig struct {
	Mechanism    string `yaml:"mechanism"` // plain, external or ""
	Account      string `yaml:"account"`
	PasswordFile string `yaml:"password_file"` // see readSecret
}

// TrainConfig is what may be chosen about trains.
type TrainConfig struct {
	Cap  int           `yaml:"cap"`  // riders of one train
	Idle time.Duration `yaml:"idle"` // a driver silent for longer may be replaced
	Open time.Duration `yaml:"open"` // how long a day pushes are made, for the stats

	Hours    string          `yaml:"hours"`     // when trains depart, see train.ParseWindows; "" = at any time
	TimeZone string          `yaml:"time_zone"` // of Hours and Holidays
	Holidays []HolidayConfig `yaml:"holidays"`
}

// HolidayConfig is a day on which no train departs. In the file it may be its date alone.
type HolidayConfig struct {
	Date string `yaml:"date"` // such as 2026-12-25
	Name string `yaml:"name"` // "" = it has none
}

// PersonConfig tells whose commits are whose, where names and addresses do not.
type PersonConfig struct {
	Nick      string   `yaml:"nick"`
	CommitsAs []string `yaml:"commits_as"` // authors' names and addresses
}

// authors are what the person commits as, as commits are looked up by.
func (p PersonConfig) authors() []string {
	var all []string
	for _, a := range p.CommitsAs {
		all = append(all, strings.ToLower(strings.TrimSpace(a)))
	}
	return all
}

// StackConfig is a thing that is deployed on its own.
type StackConfig struct {
	Name    string        `yaml:"name"`
	Aliases []string      `yaml:"aliases"`
	Root    string        `yaml:"root"` // on each host that has none of its own
	Source  SourceConfig  `yaml:"source"`
	Drain   time.Duration `yaml:"drain"`    // how long a side may have readers after a flip
	Keep    int           `yaml:"keep"`     // releases in the archive
	DiffURL string        `yaml:"diff_url"` // for the page, with {old}, {new}, {stack}; "" = no link
	Stages  []StageConfig `yaml:"stages"`
}

// SourceConfig is where a stack's releases come from.
type SourceConfig struct {
	Repo      string   `yaml:"repo"`
	Branch    string   `yaml:"branch"`
	Build     []string `yaml:"build"`      // argv; none = the checkout as it is
	Tree      string   `yaml:"tree"`       // the folder of the checkout that is the release
	CaseTwins string   `yaml:"case_twins"` // allow or refuse: paths that differ in nothing but case
}

// StageConfig is one step of a stack's way to production.
type StageConfig struct {
	Name     string       `yaml:"name"`
	External bool         `yaml:"external"` // something else deploys it: no hosts
	Hosts    []HostConfig `yaml:"hosts"`
	Test     []string     `yaml:"test"`  // argv, beside the built release
	Check    []string     `yaml:"check"` // argv, after the flip
	Pull     []string     `yaml:"pull"`  // argv that takes a host out of the pool

	Confirm       string      `yaml:"confirm"`        // other: a second rider has to confirm; "" = nobody
	MaxQuarantine int         `yaml:"max_quarantine"` // hosts that a rollout may go on without
	Watch         WatchConfig `yaml:"watch"`

	BeforeFlip []string `yaml:"before_flip"` // argv, on each host that is about to flip
	AfterFlip  []string `yaml:"after_flip"`  // argv, on each host after each flip there

	Title string       `yaml:"title"` // what the page calls it; "" = made of the name
	Links []LinkConfig `yaml:"links"` // what is worth a look after a push
}

// LinkConfig leads from the page to somewhere else.
type LinkConfig struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"` // http or https
}

// WatchConfig is what a stage logs, and what of it is bad after a push.
type WatchConfig struct {
	Files       []string      `yaml:"files"`        // on each host
	HostCommand []string      `yaml:"host_command"` // argv, on each host; it does not end
	Command     []string      `yaml:"command"`      // argv, on this machine; it does not end
	Ignore      []string      `yaml:"ignore"`       // regular expressions
	Window      time.Duration `yaml:"window"`       // before and after a flip
	Rate        int           `yaml:"rate"`         // so many times what is usual are bad; 0 = nothing is
	Lines       int           `yaml:"lines"`        // and more than so many lines
	OnBad       string        `yaml:"on_bad"`       // tell or rollback
}

// on reports whether anything is watched.
func (w WatchConfig) on() bool { return len(w.Files)+len(w.HostCommand)+len(w.Command) > 0 }

// HostConfig is a machine of a stage. In the file it may be its name alone.
type HostConfig struct {
	Name  string `yaml:"name"`
	Addr  string `yaml:"addr"`  // what ssh is told; Name when not given
	Local bool   `yaml:"local"` // a folder of this machine
	Root  string `yaml:"root"`  // the stack's when not given
}

// SSHConfig is how hosts are reached.
type SSHConfig struct {
	Config   string        `yaml:"config"`   // an ssh_config(5) file; "" = the user's own
	Lean     bool          `yaml:"lean"`     // a cheaper key exchange first, where no ssh_config chooses one
	Parallel int           `yaml:"parallel"` // hosts that are filled at once
	Stall    time.Duration `yaml:"stall"`    // how long a host at work may take no byte and say nothing
	Retries  int           `yaml:"retries"`  // how often an rsync that broke off is run again
}

// WebConfig is the page.
type WebConfig struct {
	Listen string       `yaml:"listen"` // host:port; "" = no page
	Names  []string     `yaml:"names"`  // hosts under which a proxy serves it
	Auth   AuthConfig   `yaml:"auth"`
	Users  []UserConfig `yaml:"users"`
}

// AuthConfig is how the page learns who asks. Mode "" = it does not, and nothing can be pressed.
type AuthConfig struct {
	Mode         string   `yaml:"mode"`          // basic, header or ""
	PasswordFile string   `yaml:"password_file"` // basic: htpasswd with bcrypt
	Header       string   `yaml:"header"`        // header: in which the proxy says who asks
	Proxies      []string `yaml:"proxies"`       // header: whom it is believed; addresses and networks
}

// UserConfig is who somebody that the page knows is in the channel.
type UserConfig struct {
	User    string `yaml:"user"`
	Nick    string `yaml:"nick"`    // User when not given
	Account string `yaml:"account"` // User when not given
}

// TellConfig is who is told of the deploy log as it grows. "" = nobody.
type TellConfig struct {
	Webhooks []WebhookConfig `yaml:"webhooks"`
	Graphite string          `yaml:"graphite"` // host:port, TCP
	StatsD   string          `yaml:"statsd"`   // host:port, UDP
}

// WebhookConfig is an address that each entry is posted to.
type WebhookConfig struct {
	URL        string `yaml:"url"`         // http or https
	SecretFile string `yaml:"secret_file"` // signs what is posted. See readSecret
}

// defaultConfig is what holds for keys that are not given.
func defaultConfig() Config {
	return Config{
		IRC:      IRCConfig{TLS: true, Nick: "pushbot", Prefix: ".", Identity: "auto"},
		Train:    TrainConfig{Cap: 8, Idle: 15 * time.Minute, Open: 8 * time.Hour, TimeZone: "UTC"},
		SSH:      SSHConfig{Parallel: 8, Stall: 30 * time.Second, Retries: 2},
		Web:      WebConfig{Listen: "127.0.0.1:8080"},
		Audit:    6 * time.Hour,
		StateDir: "/var/lib/pushtrain",
	}
}

// defaultStack is the same for each stack.
func defaultStack() StackConfig {
	return StackConfig{Source: SourceConfig{Branch: "main", Tree: ".", CaseTwins: "allow"}, Drain: 10 * time.Second, Keep: 10}
}

// defaultStage is the same for each stage.
func defaultStage() StageConfig {
	return StageConfig{Watch: WatchConfig{Window: 5 * time.Minute, Lines: 20, OnBad: "tell"}}
}

// fillFrom completes a host by what its stack says.
func (h *HostConfig) fillFrom(s StackConfig) {
	if h.Addr == "" && !h.Local {
		h.Addr = h.Name
	}
	if h.Root == "" {
		h.Root = s.Root
	}
}
