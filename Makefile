# make demo    the main job, on loopback; ARGS="--play=no --for 60s" go to `pushtrain demo`
# make test    every test, with all that they need; PUSHTRAIN_SHOTS=DIR keeps pictures of the page
# make bench   the figures; PEERS=yes has Ansible, Capistrano and shipit-deploy measured beside
# make soak    long runs with full counts: PART=mixed, faults, power, thief, flood, life or deb, each under an hour;
#              PART=sim, an hour and a half on 2 busy cores;
#              PART=fuzz, 15 minutes for each kind of input from outside
# make build   bin/pushtrain
# make deb     bin/pushtrain_VERSION_ARCH.deb, with a unit, a manual page and completions
# make same    two builds in two folders are the same, to the byte

SHELL := /bin/bash
GO ?= go
STATICCHECK := .tools/staticcheck
HYBRID := .tools/ircd-hybrid
ARGS ?=

DEMO_PACKAGES := git rsync
TEST_PACKAGES := git rsync openssh-client openssh-server ngircd inspircd atheme-services libltdl7 nginx util-linux strace zsh fish \
	irssi weechat-curses tmux php8.2-fpm apache2-bin libapache2-mod-php8.2 curl chromium fonts-dejavu-core man-db mandoc
SOAK_PACKAGES := caddy debootstrap systemd
PEER_PACKAGES := ansible capistrano
SHIPIT := .tools/shipit/node_modules/.bin/shipit
FUZZ_TIME ?= 3s
FUZZ ?= Fuzz.*
FUZZ_KEPT ?=

# A release says VERSION=1.0; what is in between counts by the time of its commit.
VERSION ?= 0~$(shell git log -1 --format=%cd+%h --date=format-local:%Y%m%d%H%M%S --abbrev=12)
DEB_DIR ?= bin

.PHONY: build deb same demo test lint fuzz bench soak packages-demo packages-test packages-soak packages-peers clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/pushtrain ./cmd/pushtrain

deb: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
deb:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w -X main.version=$(VERSION)' -o $(DEB_DIR)/deb/pushtrain ./cmd/pushtrain
	cmd/pushtrain/deb/build $(DEB_DIR)/deb/pushtrain '$(VERSION)' "$$(dpkg --print-architecture)" $(DEB_DIR)

# What is committed, built in two folders by two caches: the same sums.
same:
	@dir=$$(mktemp -d); trap 'chmod -R u+w "$$dir"; rm -rf "$$dir"' EXIT; set -e; \
	for n in 1 two/deeper; do \
		git -c advice.detachedHead=false clone -q --shared . "$$dir/$$n"; \
		GOCACHE="$$dir/cache/$$n" $(MAKE) -s -C "$$dir/$$n" deb VERSION='$(VERSION)' >/dev/null; \
		(cd "$$dir/$$n/bin" && sha256sum deb/pushtrain *.deb) | tee "$$dir/sums.$${n%%/*}"; \
	done; \
	cmp "$$dir/sums.1" "$$dir/sums.two" && echo 'the same, to the byte'

demo: packages-demo build
	@bin/pushtrain demo $(ARGS)

test: packages-test $(HYBRID) lint
	$(GO) test -race -timeout 8m ./...
	$(GO) test -run '^TestSeeds$$' ./deploy/sim -seeds 20000
	@$(MAKE) --no-print-directory fuzz

# The checks that need no running parts.
lint: $(STATICCHECK)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(STATICCHECK) ./...

$(STATICCHECK):
	GOBIN=$(CURDIR)/.tools $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.7.0

# Debian's ircd-hybrid excludes its ngircd: what is in the package is unpacked here.
$(HYBRID):
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; set -e; chmod 755 "$$dir"; cd "$$dir"; \
	apt-get -o APT::Sandbox::User=root download -qq ircd-hybrid || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; $$sudo apt-get update -qq; apt-get -o APT::Sandbox::User=root download -qq ircd-hybrid; }; \
	mkdir -p $(CURDIR)/.tools; dpkg-deb -x *.deb unpacked; rm -rf $(CURDIR)/$(HYBRID); mv unpacked $(CURDIR)/$(HYBRID)

# Every fuzz target there is, a few seconds each. Go reports "context deadline
# exceeded" when the time ends in the middle of an input: that is no finding, a
# finding is written to testdata and named. FUZZ_KEPT is a folder for the inputs that
# led somewhere new, for the next run to begin with; without one Go keeps them in its cache.
fuzz:
	@set -o pipefail; $(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	grep -wE '$(FUZZ)' | while read -r package name; do \
		said=$$($(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 20x "$$package" $(if $(FUZZ_KEPT),-test.fuzzcachedir="$(FUZZ_KEPT)/$$package") 2>&1) || \
		{ grep -q 'context deadline exceeded' <<<"$$said" && ! grep -q 'Failing input\|panic:\|hung or terminated' <<<"$$said"; } || \
		{ echo "$$said"; exit 1; }; \
		echo "fuzz $$package $$name: $$(grep -o 'execs: [0-9]*' <<<"$$said" | tail -1)"; \
	done

bench: packages-test $(if $(PEERS),packages-peers $(SHIPIT))
	$(GO) test -run '^$$' -bench . -benchmem ./train ./bot/store
	$(GO) test -count=1 -run '^TestForecastCalibrated$$' -v ./train
	$(GO) test -count=1 -timeout 120m -run '^TestFigures$$' -v ./cmd/pushtrain -figures $(if $(PEERS),-peers)

# The parts of the soak, by name: what `go test` is told.
SOAK_mixed := -parallel 6 -run '^(TestMixed|TestWarmCache|TestForget)$$' ./deploy/webserver -soak $(CURDIR)/.soak/mixed
SOAK_sim := -timeout 4h -run '^TestSeeds$$' ./deploy/sim -seeds 1000000
SOAK_faults := -run '^TestFaults$$' ./cmd/pushtrain -faults -faults-done $(CURDIR)/.soak/faults
SOAK_power := -run '^TestPowerLoss$$' ./bot/store ./deploy/host -power
SOAK_thief := -run '^TestThief$$' ./bot -thief 1000
SOAK_flood := -p 1 -parallel 4 -run '^TestFlood' ./bot ./cmd/pushtrain -flood 10m
SOAK_deb := -run '^TestDeb$$' ./cmd/pushtrain -deb
SOAK_life := -run '^TestLife$$' ./bot -life 50m
PARTS := sim mixed faults power thief flood life deb fuzz

# What comes from outside: IRC, the topic, commands, the configuration, hosts, the journal.
SOAK_FUZZ := FuzzServer|FuzzParse|FuzzCommand|FuzzConfig|FuzzServe|FuzzDamage

ifeq ($(PART),fuzz)
soak: FUZZ_TIME = 15m
soak: FUZZ = $(SOAK_FUZZ)
soak: FUZZ_KEPT = $(CURDIR)/.soak/fuzz
soak: packages-soak fuzz
else
soak: packages-soak $(HYBRID)
	@[ -n '$(filter $(PARTS),$(PART))' ] || { echo 'make soak PART=…: one of $(PARTS)'; exit 2; }
	$(GO) test -count=1 -timeout 60m -v $(SOAK_$(PART))
endif

$(SHIPIT):
	@command -v npm >/dev/null || { $(call install,npm); }
	npm install --silent --no-audit --no-fund --prefix .tools/shipit shipit-cli@5.3.0 shipit-deploy@5.3.0

# Debian packages by name; nothing happens where all are installed.
packages-demo:
	@$(call install,$(DEMO_PACKAGES))
packages-test:
	@$(call install,$(TEST_PACKAGES))
packages-peers:
	@$(call install,$(PEER_PACKAGES))
packages-soak: packages-test
	@$(call install,$(SOAK_PACKAGES))

# The policy has no service of theirs started: the tests start what they need.
define install
missing=; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing$$missing"; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap "$$sudo rm -f $$policy" EXIT; \
		printf '#!/bin/sh\nexit 101\n' | $$sudo tee $$policy >/dev/null; $$sudo chmod +x $$policy; \
	fi; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
fi
endef

clean:
	rm -rf bin .tools .soak
