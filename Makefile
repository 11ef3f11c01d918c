# Everything that is done to this repository more than once. `make` alone lists it.
# Targets install the Debian packages that they lack (scripts/need); elsewhere they say what they would want.

TAGS      := nolibopusfile
FUZZTIME  ?= 30s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Debian packages: to build, to test, to lint, to build for arm64.
DEBS       := libopus-dev libspeexdsp-dev pkg-config
DEBS_TEST  := $(DEBS) mosquitto
DEBS_LINT  := $(DEBS) shellcheck
DEBS_ARM64 := pkg-config gcc-aarch64-linux-gnu libc6-dev-arm64-cross libopus-dev:arm64 libspeexdsp-dev:arm64 qemu-user-static
DEBS_DEB   := $(DEBS) $(DEBS_ARM64)
DEBS_TDEB  := mmdebstrap proot qemu-user-static systemd-container
DEBS_BOARD := $(DEBS) gcc-aarch64-linux-gnu libc6-dev-arm64-cross libopus-dev:arm64 libspeexdsp-dev:arm64 qemu-system-arm kmod xz-utils

# Programs for boards need no library, and leave out what nobody calls of those they have in them.
STATIC_LINK := -linkmode external -extldflags "-static -lm -Wl,--gc-sections"

# The board's binary is built and linked so; a bigger one fails its build.
ARM64_BUILD := CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc \
	PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig go build -trimpath -tags '$(TAGS) netgo osusergo'
# bytes
ARM64_LIMIT := 15000000

export TAGS STATIC_LINK FUZZTIME STATICCHECK GOVULNCHECK

.DEFAULT_GOAL := help
.PHONY: help build run test test-mutants test-worlds test-board test-board-full test-deb bench lint fuzz arm64 deb clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

build: ## bin/intercom for this machine
	@scripts/need $(DEBS)
	CGO_ENABLED=1 go build -trimpath -tags $(TAGS) -o bin/intercom ./cmd/intercom

run: build ## a house with simulated boards; keys press the buttons
	bin/intercom demo

# Twice: with the race detector, then without it, for what it makes meaningless (allocation counts, times).
test: ## vet and all tests, with the race detector and without
	@scripts/need $(DEBS_TEST)
	CGO_ENABLED=1 go vet -tags $(TAGS) ./...
	CGO_ENABLED=1 go test -race -timeout 4m -tags $(TAGS) ./...
	CGO_ENABLED=1 go test -timeout 2m -tags $(TAGS) ./...
	CGO_ENABLED=0 go -C examples/softphone vet ./...

# MUTANTS=regexp chooses some, by name: make test-mutants MUTANTS=stepcaller.go
test-mutants: ## break the code in each place in turn; a test must fail each time
	@scripts/need $(DEBS_TEST)
	CGO_ENABLED=1 GOFLAGS=-tags=$(TAGS) go run ./internal/mutants -run '$(MUTANTS)'

STEPS ?= 150000
test-worlds: ## about STEPS random steps of stations on a bad network, held against the call model
	@scripts/need $(DEBS)
	CGO_ENABLED=1 STEPS=$(STEPS) go test -tags $(TAGS) -run '^TestWorlds$$' -count 1 -timeout 0 -v ./call

bench: ## all benchmarks, with allocations
	@scripts/need $(DEBS_TEST)
	CGO_ENABLED=1 go test -run '^$$' -bench . -benchmem -tags $(TAGS) ./...

lint: ## gofmt, vet, staticcheck, govulncheck, shellcheck, the import table
	@scripts/need $(DEBS_LINT)
	@CGO_ENABLED=1 scripts/lint

fuzz: ## every fuzz target for FUZZTIME (30s)
	@scripts/need $(DEBS_TEST)
	@CGO_ENABLED=1 scripts/fuzz

# -lm: the static libopus needs sqrt. pkg-config must see only the arm64 libraries, so LIBDIR and not PATH.
# Grown by megabytes at once? Something calls a method by a name that the linker can not see, so it keeps every
# method of every type: go build -ldflags=-dumpdep ./cmd/intercom 2>&1 | grep ReflectMethod
arm64: ## bin/intercom-arm64, static, tried once under qemu; fails if over 15 MB
	@scripts/need $(DEBS_ARM64)
	$(ARM64_BUILD) -ldflags '-s -w $(STATIC_LINK)' -o bin/intercom-arm64 ./cmd/intercom
	qemu-aarch64-static bin/intercom-arm64 version
	@stat -c '%n %s' bin/intercom-arm64 | awk '{ printf "%s: %.1f MB\n", $$1, $$2/1e6; exit $$2 > $(ARM64_LIMIT) }'

.PHONY: size
size: ## the arm64 binary's size by library
	@scripts/need $(DEBS_ARM64)
	@$(ARM64_BUILD) -ldflags '$(STATIC_LINK)' -o bin/intercom-arm64.symbols ./cmd/intercom
	@scripts/size bin/intercom-arm64.symbols

# The virtual board's kernel is made once (30 s) and kept in ~/.cache; CASE=name, REPLAY=1, VARIANTS=20, OUT=folder: see lab/README.md.
VARIANTS ?= 1
test-board: ## sound, GPIO and whole calls on a real arm64 kernel in QEMU
	@scripts/need $(DEBS_BOARD)
	@CGO_ENABLED=1 go run -tags $(TAGS) ./lab/testboard -tags '$(TAGS)' -case '$(if $(REPLAY),replay,$(CASE))' -variants $(VARIANTS) -out '$(OUT)'

test-board-full: ## test-board with its long cases
	@scripts/need $(DEBS_BOARD)
	@CGO_ENABLED=1 go run -tags $(TAGS) ./lab/testboard -tags '$(TAGS)' -full -out '$(OUT)'

.PHONY: test-reliability
CALLS ?= 500
SITES ?= 6
test-reliability: ## CALLS (500) calls between real processes under kills and cuts; as root (network namespaces)
	@scripts/need $(DEBS_TEST)
	CGO_ENABLED=1 go test -tags $(TAGS) -timeout 3h -parallel $(SITES) -v -run '^TestReliability$$' ./cmd/intercom \
	  -reliability-calls $(CALLS) -reliability-sites $(SITES)

deb: ## Debian packages for arm64 and amd64 in bin/
	@scripts/need $(DEBS_DEB)
	scripts/deb

test-deb: deb ## install, start, upgrade, remove and purge them in Debian roots of their own (as root)
	@scripts/need $(DEBS_TDEB)
	scripts/test-deb

clean: ## remove what was built
	rm -rf bin
