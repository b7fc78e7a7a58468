.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# COUNT is how often each benchmark runs; benchstat needs at least 6.
COUNT ?= 6

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: test
test: ## Run the tests of the workspace
	go test work

.PHONY: race
race: ## Run them with the race detector
	go test -race work

.PHONY: lint
lint: ## Check format, vet, staticcheck, go.mod files and import directions
	.ci/run format vet staticcheck tidy imports dependencies

.PHONY: fmt
fmt: tools ## Format all Go files
	bin/gofumpt -l -w .

.PHONY: tidy
tidy: ## Tidy every go.mod
	for dir in $$(scripts/modules); do (cd "$$dir" && GOWORK=off go mod tidy); done

.PHONY: bench
bench: ## Measure the library beside others: benchmarks/RESULTS.md, docs/benchmarks.svg
	mkdir -p docs
	cd benchmarks && GOWORK=off go run . -results RESULTS.md -plot ../docs/benchmarks.svg

.PHONY: bench-compare
bench-compare: tools ## Compare the library's own benchmarks with those of BASE=revision
	benchmarks/compare "$(BASE)" $(COUNT)

.PHONY: soak
soak: ## Run everything at once for ten minutes, or SOAK=1h; then the models for a minute each, or MODELS=10m
	cd tests && SOAK=$${SOAK:-10m} go test -v -count=1 -timeout=0 -run=TestSoak ./soak
	go test ./tests/model/... -timeout=0 -model.time=$${MODELS:-1m}

.PHONY: mutants
mutants: ## Break the library in many ways, and see that the tests notice each
	cd tools && GOWORK=off go run ./mutants

.PHONY: fuzz
fuzz: ## Fuzz each fuzz target for a minute, or FUZZ=10m
	scripts/fuzz $${FUZZ:-1m}

.PHONY: eventlog
eventlog: ## Run the event log example
	go run ./examples/eventlog

.PHONY: ci
ci: ## Run everything that must pass before a merge
	.ci/run

.PHONY: tools
tools: # gofumpt, staticcheck and benchstat into bin; quick where they are there
	mkdir -p bin
	cd tools && GOWORK=off go build -o ../bin/ tool
