package main

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Problem is one mistake in a configuration file.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // from 1, as Column
	Column int    `json:"column"`
	Key    string `json:"key"`  // as "stacks[0].root"; "" = the file
	Text   string `json:"text"` // what is wrong and what to do
}

// String returns "FILE:LINE:COLUMN: KEY: TEXT".
func (p Problem) String() string {
	key := ""
	if p.Key != "" {
		key = p.Key + ": "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, key, p.Text)
}

// loadConfig reads and checks a configuration; name is what problems call the file.
// It returns all mistakes at once, in the order of the file; the Config is usable
// only when there are none.
func loadConfig(name string, data []byte) (Config, []Problem) {
	d := &decoder{file: name, lines: strings.Split(string(data), "\n"), at: map[string]*yaml.Node{}}
	c := defaultConfig()
	if root := d.parse(data); root != nil {
		d.at[""] = root
		d.value(root, reflect.ValueOf(&c).Elem(), "")
		for i := range c.Stacks {
			for j := range c.Stacks[i].Stages {
				for k := range c.Stacks[i].Stages[j].Hosts {
					c.Stacks[i].Stages[j].Hosts[k].fillFrom(c.Stacks[i])
				}
			}
		}
		for i := range c.Web.Users {
			u := &c.Web.Users[i]
			u.Nick, u.Account = cmp.Or(u.Nick, u.User), cmp.Or(u.Account, u.User)
		}
		check(d, &c)
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return c, d.problems
}

// decoder fills a Config from YAML and remembers where each value stood, so that
// what is found wrong later has its place too.
type decoder struct {
	file     string
	lines    []string
	at       map[string]*yaml.Node // by key, as in Problem.Key
	problems []Problem
}

// problem notes a mistake at key, or at what holds key when it is not given.
func (d *decoder) problem(key, format string, args ...any) {
	holder := key
	for d.at[holder] == nil && holder != "" {
		holder = holder[:max(0, strings.LastIndexAny(holder, ".["))]
	}
	d.problemAt(d.at[holder], key, fmt.Sprintf(format, args...))
}

func (d *decoder) problemAt(n *yaml.Node, key, text string) {
	d.problems = append(d.problems, Problem{d.file, max(n.Line, 1), max(n.Column, 1), key, text})
}

// ok says whether nothing was found wrong with key yet.
func (d *decoder) ok(key string) bool {
	return !slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Key == key })
}

// parse returns the mapping that the file is; nil after noting what it is instead.
func (d *decoder) parse(data []byte) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	if !slices.ContainsFunc(d.lines, func(l string) bool { l = strings.TrimSpace(l); return l != "" && l[0] != '#' }) {
		d.problemAt(start, "", "the file is empty: begin with config.example.yaml, or run `pushtrain init`")
		return nil
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		d.syntax(err)
		return nil
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		root = doc.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		d.problemAt(start, "", "the file is no list of `key: value`: see config.example.yaml")
		return nil
	}
	return root
}

// syntax notes why a file is no YAML.
func (d *decoder) syntax(err error) {
	note := func(e *yaml.LoadError) {
		text := strings.TrimPrefix(e.Message, "yaml: ")
		if e.ContextMsg != "" {
			text += " (" + e.ContextMsg + ")"
		}
		if at := e.Mark.Line - 1; at >= 0 && at < len(d.lines) && strings.HasPrefix(strings.TrimLeft(d.lines[at], " "), "\t") {
			text = "the line begins with a tab: YAML wants spaces"
		}
		d.problemAt(&yaml.Node{Line: e.Mark.Line, Column: e.Mark.Column}, "", "not valid YAML: "+text)
	}
	if all, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		for _, e := range all.Errors {
			note(e)
		}
	} else if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		note(e)
	} else {
		d.problemAt(&yaml.Node{}, "", "not valid YAML: "+err.Error())
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// value sets v from n.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		d.problemAt(n, key, "aliases (*name) are not read here: write it out")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		switch v.Addr().Interface().(type) {
		case *HostConfig, *HolidayConfig:
			if n.Kind == yaml.ScalarNode {
				d.scalar(n, v.Field(0), key)
				return
			}
		}
		d.fields(n, v, key)
	case reflect.Slice:
		d.list(n, v, key)
	default:
		d.scalar(n, v, key)
	}
}

// fields sets the fields of a struct.
func (d *decoder) fields(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return // `web:` alone: all of it at its default
	}
	if n.Kind != yaml.MappingNode {
		d.problemAt(n, key, "must be `key: value` lines")
		return
	}
	names := fieldNames(v.Type())
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		sub := strings.TrimPrefix(key+"."+k.Value, ".")
		switch at := slices.Index(names, k.Value); {
		case k.Kind != yaml.ScalarNode:
			d.problemAt(k, key, "this key is no word")
		case at < 0:
			d.problemAt(k, sub, "unknown key"+didYouMean(k.Value, names))
		case first[k.Value] > 0:
			d.problemAt(k, sub, fmt.Sprintf("given twice; first in line %d", first[k.Value]))
		default:
			first[k.Value] = k.Line
			d.at[sub] = val
			d.value(val, v.Field(at), sub)
		}
	}
}

// list sets a slice. A stack begins with its defaults.
func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		text := "must be a list"
		if n.Kind == yaml.ScalarNode && v.Type().Elem().Kind() == reflect.String {
			text += ": write [" + strings.Join(strings.Fields(n.Value), ", ") + "]"
		}
		d.problemAt(n, key, text)
		return
	}
	for i, item := range n.Content {
		e := reflect.New(v.Type().Elem()).Elem()
		switch begin := e.Addr().Interface().(type) {
		case *StackConfig:
			*begin = defaultStack()
		case *StageConfig:
			*begin = defaultStage()
		}
		sub := fmt.Sprintf("%s[%d]", key, i)
		d.at[sub] = item
		d.value(item, e, sub)
		v.Set(reflect.Append(v, e))
	}
}

// scalar sets text, a number, a truth value or a duration.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) {
	fail := func(text string) { d.problemAt(n, key, text) }
	if n.Kind != yaml.ScalarNode {
		fail("must be a single value, not a list or a map")
		return
	}
	if isNull(n) {
		fail("is empty" + d.commented(n))
		return
	}
	switch {
	case v.Type() == durationType:
		t, err := time.ParseDuration(n.Value)
		if err != nil {
			fail(fmt.Sprintf("%q is no duration: write a number and s, m or h, such as 90s or 15m", n.Value))
			return
		}
		v.SetInt(int64(t))
	case v.Kind() == reflect.Bool:
		if n.ShortTag() != "!!bool" {
			fail(fmt.Sprintf("%q is neither true nor false", n.Value))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || n.ShortTag() != "!!int" {
			fail(fmt.Sprintf("%q is no whole number", n.Value))
			return
		}
		v.SetInt(int64(i))
	default:
		if tag := n.ShortTag(); tag != "!!str" && tag != "!!timestamp" {
			fail(fmt.Sprintf("%s must be quoted to be text: %q", n.Value, n.Value))
			return
		}
		v.SetString(n.Value)
	}
}

// commented explains a value that YAML took for a comment; "" when it is not that.
func (d *decoder) commented(n *yaml.Node) string {
	if n.Line < 1 || n.Line > len(d.lines) {
		return ""
	}
	_, rest, ok := strings.Cut(d.lines[n.Line-1], ":")
	word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok || !strings.HasPrefix(word, "#") || word == "#" {
		return ": give it a value, or remove the line"
	}
	return fmt.Sprintf(": # starts a comment in YAML; write %q", strings.TrimRight(word, ",}\r"))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fieldNames are the keys of a struct, in the order of its fields.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}
