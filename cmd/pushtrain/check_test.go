package main

import (
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

func TestDrainWarnings(t *testing.T) {
	etc := fstest.MapFS{"php/8.2/fpm/php.ini": {Data: []byte("max_execution_time = 30\n")}}
	stack := func(drain time.Duration, local bool) StackConfig {
		return StackConfig{Name: "web", Drain: drain, Stages: []StageConfig{{Name: "prod", Hosts: []HostConfig{{Name: "a"}, {Name: "b", Local: local}}}}}
	}
	for _, c := range []struct {
		stack StackConfig
		want  []string
	}{
		{stack(10*time.Second, true), []string{"web: drain 10s is less than the 33s that PHP 8.2 fpm may read a side after a flip: requests of 30s, opcache.revalidate_freq 2s, 1s for clocks"}},
		{stack(33*time.Second, true), nil},
		{stack(10*time.Second, false), nil}, // its hosts have a PHP of their own
	} {
		if got := drainWarnings(Config{Stacks: []StackConfig{c.stack}}, etc); !slices.Equal(got, c.want) {
			t.Errorf("drain %s: %q, want %q", c.stack.Drain, got, c.want)
		}
	}
}
