package main

import (
	"fmt"
	"reflect"
	"slices"
)

// diffConfig names what differs between two configurations. Values are told where
// they are numbers alone: a text may hold a password.
func diffConfig(old, next Config) []string {
	var all []string
	diffValue(&all, "", reflect.ValueOf(old), reflect.ValueOf(next))
	return all
}

func diffValue(all *[]string, key string, old, next reflect.Value) {
	say := func(format string, args ...any) { *all = append(*all, key+" "+fmt.Sprintf(format, args...)) }
	switch {
	case reflect.DeepEqual(old.Interface(), next.Interface()):
	case old.Kind() == reflect.Struct:
		if key != "" {
			key += "."
		}
		for i := range old.NumField() {
			diffValue(all, key+old.Type().Field(i).Tag.Get("yaml"), old.Field(i), next.Field(i))
		}
	case old.Kind() == reflect.Slice && old.Type().Elem().Kind() == reflect.Struct:
		diffList(all, key, old, next)
	case old.CanInt() || old.Kind() == reflect.Bool:
		say("is %v, was %v", next, old)
	default:
		say("is another")
	}
}

// diffList compares lists of what has a name, by that.
func diffList(all *[]string, key string, old, next reflect.Value) {
	was, is := namesOf(old), namesOf(next)
	moved := len(*all)
	for i, name := range was {
		at := fmt.Sprintf("%s[%s]", key, name)
		if j := slices.Index(is, name); j >= 0 {
			diffValue(all, at, old.Index(i), next.Index(j))
		} else {
			*all = append(*all, at+" is removed")
		}
	}
	for _, name := range is {
		if !slices.Contains(was, name) {
			*all = append(*all, fmt.Sprintf("%s[%s] is new", key, name))
		}
	}
	if len(*all) == moved {
		*all = append(*all, key+" is in another order")
	}
}

// namesOf are the names of a list's elements: their first field, but for webhooks,
// whose addresses may be a secret, their place.
func namesOf(list reflect.Value) []string {
	var names []string
	for i := range list.Len() {
		name := fmt.Sprint(i)
		if _, hook := list.Index(i).Interface().(WebhookConfig); !hook {
			name = list.Index(i).Field(0).String()
		}
		names = append(names, name)
	}
	return names
}

// keepFixed puts back what a running bot can't change, and names it. Who may see the
// page goes together with where it listens.
func keepFixed(old, next Config) (Config, []string) {
	kept := next
	kept.IRC = old.IRC
	kept.IRC.Prefix, kept.IRC.Ops = next.IRC.Prefix, next.IRC.Ops
	kept.StateDir = old.StateDir
	if next.Web.Listen != old.Web.Listen {
		kept.Web = old.Web
	}
	return kept, diffConfig(kept, next)
}

// goneHosts are the hosts of each stage that next has not, as STACK/STAGE HOST, and their names.
func goneHosts(old, next Config) (places, names []string) {
	has := map[string]bool{}
	each := func(c Config, f func(place, host string)) {
		for _, s := range c.Stacks {
			for _, g := range s.Stages {
				for _, h := range g.Hosts {
					f(s.Name+"/"+g.Name+" "+h.Name, h.Name)
				}
			}
		}
	}
	each(next, func(place, _ string) { has[place] = true })
	each(old, func(place, host string) {
		if !has[place] {
			places, names = append(places, place), append(names, host)
		}
	})
	return places, names
}
