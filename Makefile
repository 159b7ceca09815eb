# What a contributor runs. `make help` lists it; CONTRIBUTING.md explains it.

GO       ?= go
FUZZTIME ?= 20s
ROUNDS   ?= 5
SECONDS  ?= 4
STORE    ?= all
KILLS    ?= 1000
CALLS    ?= 10000
EXAMPLES ?= 200
IMAGE_TOOL ?= docker
export GO
comma    := ,

.DEFAULT_GOAL := help
.PHONY: help build image test crash schemathesis lint fuzz cover bench bench-deps bench-proxy bench-writes bench-records bench-limits bench-clients hostile clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/failwell
	@scripts/ensure.sh go
	$(GO) build -trimpath -o bin/failwell ./cmd/failwell

image: ## build a container image with the static binary, by IMAGE_TOOL (docker, podman or buildah)
	@scripts/ensure.sh go
	@mkdir -p dist/data && cp /etc/ssl/certs/ca-certificates.crt dist/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o dist/failwell ./cmd/failwell
	$(IMAGE_TOOL) build --tag failwell .

test: ## install what the tests need, then run all of them
	@scripts/ensure.sh go race e2e browser redis postgres promtool
	$(GO) vet ./...
	@scripts/test.sh

crash: ## kill gateways, stores and the service KILLS times on STORE (pebble, redis, postgres, all; SEED, MUTATIONS=1)
	@scripts/ensure.sh go redis postgres
	$(GO) run ./internal/crash -store $(STORE) -kills $(if $(MUTATIONS),30 -mutations,$(KILLS)) $(if $(SEED),-seed $(SEED))

schemathesis: ## calls made up from each stand-in's OpenAPI document, EXAMPLES (200) for each operation
	@scripts/ensure.sh go e2e
	$(GO) test ./sandbox -run TestSchemathesis -count=1 -v -timeout 30m -args -examples $(EXAMPLES)

hostile: ## call every sandbox CALLS times while it fails in every way, and read its journal
	@scripts/ensure.sh go
	$(GO) test -count 1 -timeout 30m -v -run TestHostileAPIs . -args -hostile.calls=$(CALLS)

lint: ## formatting, golangci-lint, the tree's own rules, known vulnerabilities
	@scripts/ensure.sh go lint
	@scripts/lint.sh

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@scripts/ensure.sh go
	@scripts/fuzz.sh $(FUZZTIME)

cover: ## test coverage: a total, and bin/cover.html
	@scripts/ensure.sh go e2e browser redis postgres promtool
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -html=bin/cover.out -o bin/cover.html
	@$(GO) tool cover -func=bin/cover.out | tail -1

bench-deps: ## install nginx, wrk and the databases that make bench compares and loads with
	@scripts/ensure.sh bench redis postgres

bench: bench-proxy bench-writes bench-records bench-limits bench-clients ## all that is measured (ROUNDS, SECONDS)

bench-proxy: bin/bench ## the gateway beside nginx and a bare ReverseProxy (TARGETS, MODES)
	@bin/bench -parts proxy -rounds $(ROUNDS) -seconds $(SECONDS) $(if $(TARGETS),-targets $(TARGETS)) $(if $(MODES),-modes $(MODES))

bench-writes: bin/bench ## writes with an idempotency key beside the same without, on each store (STORES)
	@bin/bench -parts writes -rounds $(ROUNDS) -seconds $(SECONDS) $(if $(STORES),-stores $(STORES))

bench-records: bin/bench ## start and replay with a million records (RECORDS)
	@bin/bench -parts records -rounds $(ROUNDS) -seconds $(SECONDS) $(if $(RECORDS),-records $(RECORDS))

bench-limits: bin/peers ## limits beside other limiters, in the process and through Redis (PARTS)
	@bin/peers -rounds $(ROUNDS) -seconds $(SECONDS) -parts $(or $(PARTS),decision$(comma)memory$(comma)redis)

bench-clients: bin/peers ## the client beside other retrying clients, at a dead server and at a limit (PARTS)
	@bin/peers -rounds $(ROUNDS) -seconds 2 -parts $(or $(PARTS),success$(comma)retry$(comma)dead$(comma)crowd)

.PHONY: bin/bench bin/peers
bin/bench: bench-deps
	@scripts/ensure.sh go
	@mkdir -p bin
	$(GO) build -trimpath -o bin/bench ./bench

bin/peers: bench-deps
	@scripts/ensure.sh go
	@mkdir -p bin
	cd bench/peers && $(GO) build -trimpath -o ../../bin/peers .

clean: ## remove what was built; downloaded tools stay in .tools
	rm -rf bin dist
