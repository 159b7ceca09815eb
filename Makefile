# What a contributor runs. `make help` lists it; CONTRIBUTING.md explains it.

GO       ?= go
FUZZTIME ?= 20s
ROUNDS   ?= 5
SECONDS  ?= 4
export GO

.DEFAULT_GOAL := help
.PHONY: help build test lint fuzz cover bench bench-deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/failwell
	@scripts/ensure.sh go
	$(GO) build -trimpath -o bin/failwell ./cmd/failwell

test: ## install what the tests need, then run all of them
	@scripts/ensure.sh go race e2e redis postgres
	$(GO) vet ./...
	@scripts/test.sh

lint: ## formatting, golangci-lint, the tree's own rules, known vulnerabilities
	@scripts/ensure.sh go lint
	@scripts/lint.sh

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@scripts/ensure.sh go
	@scripts/fuzz.sh $(FUZZTIME)

cover: ## test coverage: a total, and bin/cover.html
	@scripts/ensure.sh go e2e redis postgres
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -html=bin/cover.out -o bin/cover.html
	@$(GO) tool cover -func=bin/cover.out | tail -1

bench-deps: ## install nginx and wrk, which make bench compares and loads with
	@scripts/ensure.sh bench

bench: bench-deps ## the gateway beside nginx and a bare ReverseProxy (ROUNDS, SECONDS, TARGETS, MODES)
	@scripts/ensure.sh go
	@mkdir -p bin
	$(GO) build -trimpath -o bin/bench ./bench
	@bin/bench -rounds $(ROUNDS) -seconds $(SECONDS) $(if $(TARGETS),-targets $(TARGETS)) $(if $(MODES),-modes $(MODES))

clean: ## remove what was built; downloaded tools stay in .tools
	rm -rf bin dist
