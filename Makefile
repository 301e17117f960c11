# What people and CI run. "make help" lists the targets.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# VERSION is what the programs call themselves; without it, what the source says.
LDFLAGS := -s -w $(if $(VERSION),-X github.com/lockform/lockform/zkfs.version=$(VERSION))
# BIN is where "build" puts them.
BIN := bin
# Debian's packages for the tests: a real ZooKeeper with its Java, a C compiler
# for the race detector, and the clients of others that tests take locks beside.
DEPS := zookeeper default-jdk-headless gcc libc6-dev python3-kazoo libcurator-recipes-java curl
# What network namespaces need besides.
FAULTS_DEPS := iproute2 util-linux
# What kazoo's own tests need besides.
KAZOO_DEPS := python3-pytest python3-mock python3-objgraph python3-eventlet python3-gevent
FUZZTIME ?= 10m

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## both binaries, static, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $(BIN)/ ./cmd/lockform ./cmd/lockform-agent

.PHONY: demo
demo: build ## plan, apply and two agents that contend, on the embedded server; needs Go alone
	@examples/quickstart/demo.sh $(BIN)

.PHONY: deps
deps: ## what the tests need: installed with apt-get as root, else named
	@.ci/deps $(DEPS)

.PHONY: test
test: deps ## every test, with the race detector, on the embedded and on a real ZooKeeper
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 go test -race -timeout 15m ./...

.PHONY: race
race: test ## the same as test

.PHONY: properties
properties: ## 2,000 random layouts and trees, planned, applied and cut off at random; SEED=N repeats a run
	go test ./plan -count=1 -timeout 15m -run 'Propert' -rapid.checks=2000 $(if $(SEED),-rapid.seed=$(SEED))

.PHONY: simulation
simulation: ## 10,000 random runs of many clients with faults, by a clock of their own; SEEDS=N runs, SEED=N repeats one
	go test ./agent/lock/simulation -timeout 30m -run Simulation $(if $(SEED),-count=20 -failfast -seeds=1 -seed=$(SEED),-count=1 -seeds=$(or $(SEEDS),10000))

.PHONY: quick
quick: ## the tests on the embedded server alone, for a look while editing
	LOCKFORM_TEST_SERVERS=embedded go test -timeout 5m ./...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, a tidy go.mod
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go mod tidy -diff

.PHONY: fuzz
fuzz: ## every fuzzer for FUZZTIME (10m)
	@for pkg in $$(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$pkg/*_test.go | sed 's/^func //'); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) ./$$pkg || exit 1; \
	  done; done

.PHONY: bench
bench: ## every benchmark
	go test -run '^$$' -bench . -benchmem -timeout 60m ./...

.PHONY: faults
faults: deps ## as root: cut, stopped and killed servers and agents, on three servers in network namespaces; FAULTS=-short for less
	@.ci/deps $(FAULTS_DEPS)
	go vet -tags faults ./cmd/faults
	go test -tags faults $(FAULTS) -count=1 -timeout 20m ./cmd/faults

.PHONY: conformance
conformance: build deps ## the test suites of go-zookeeper and kazoo, and a long differential run, against "lockform dev"
	@.ci/deps $(KAZOO_DEPS)
	zkfs/zkdev/conformance/go-zookeeper.sh $(BIN)/lockform
	zkfs/zkdev/conformance/kazoo.sh $(BIN)/lockform
	zkfs/zkdev/conformance/kazoo.sh real
	go test ./zkfs/zkdev -count=1 -run Random -requests 100000
	zkfs/zkdev/conformance/faster.sh

.PHONY: clean
clean: ## removes bin/
	rm -rf bin
