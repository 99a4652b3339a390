# Everything one does with this tree. `make` alone lists the targets.
# JOBS=n sets how many processes at once, FUZZ_SECONDS=n how long each fuzz target runs.
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 10

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps deps-build deps-servers deps-check build test test-unit test-asan test-tsan test-live test-tools \
  tidy fuzz bench demo format clean

# Only a cache folder outside the tree has to be told to the scripts.
ifdef MILLRACE_CACHE
export REDIS_STACK_HOME ?= $(MILLRACE_CACHE)/redis-stack
endif

# Compiler cache: hits from any checkout, wherever it lies.
export CCACHE_BASEDIR ?= $(CURDIR)
export CCACHE_NOHASHDIR ?= 1

venv := .cache/venv/bin
timed := tools/timed
compile = tools/compile $(JOBS)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

deps: deps-build deps-servers deps-check ## installs what is missing: Debian packages, a Python of our own, Redis Stack

deps-build:
	@tools/install-deps build

deps-servers:
	@tools/install-deps servers
	@tools/venv >/dev/null
	@tools/servers/redis-stack install

deps-check:
	@tools/install-deps check
	@tools/venv >/dev/null

build: deps-build ## the program: build/release/millrace
	@echo "building build/release/millrace (some minutes the first time)"
	@$(compile) release millrace

test: ## every test there is; prints the time of each group
	@rm -f build/times.txt
	@$(MAKE) --no-print-directory deps
	@failed=0; for group in tidy test-tools test-unit test-live test-asan test-tsan fuzz; do \
	  $(timed) $$group $(MAKE) --no-print-directory $$group || failed=1; done; \
	  echo; cat build/times.txt; exit $$failed

test-unit: deps-build ## unit tests of the release build, and each header on its own
	@$(compile) release all all_verify_interface_header_sets
	@ctest --preset release -L unit -j $(JOBS)

test-asan: deps-build ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(compile) asan
	@ctest --preset asan -L unit -j $(JOBS)

test-tsan: deps-build ## unit tests of the rooms with threads under ThreadSanitizer
	@$(compile) tsan threads
	@ctest --preset tsan -L threads -j $(JOBS)

test-live: build deps-servers ## the program against real servers, kill -9 included
	@$(venv)/pytest -n 2 --dist loadfile test

test-tools: deps-check ## the checks of tools/tidy find the faults they are there for
	@$(venv)/pytest tools

tidy: deps-check deps-build ## layers, bans, sizes, format, clang-tidy; ruff and mypy
	@tools/configure release
	@$(venv)/python tools/tidy --jobs $(JOBS)

fuzz: deps-build deps-check ## each fuzz target for FUZZ_SECONDS
	@$(compile) fuzz fuzzers
	@tools/fuzz $(FUZZ_SECONDS)

bench: build deps-servers ## the ratios against the peers and the machine's own limits
	@bench/run

demo: build deps-servers ## a database, changed while you watch, in Redis milliseconds later
	@demo/run

format: deps-check ## writes C++ and Python the house's way
	@git ls-files -z --cached --others --exclude-standard '*.cc' '*.h' | xargs -0 -r clang-format-19 -i
	@$(venv)/ruff check --quiet --fix .

clean: ## removes what was built; what was downloaded stays in .cache
	rm -rf build
