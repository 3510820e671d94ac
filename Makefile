# make demo      a sandbox with two clusters and 100 orders through it (CHECK=1: verdict only)
# make test      what a newcomer and CI run: lint, unit, property and end-to-end tests
# make test-all  the above and what takes long (also needs Java 17 with Maven, Node.js 20, and Chromium)
# make sdks      the checklist in Go, TypeScript and Java
# make ui        the Temporal Web UI in a browser
# make bench     what the filter costs Envoy: a start, a call that may live elsewhere, a call whose names it replaces
# make bench-polls  what pooled polls cost: memory, CPU, time, poll sync (PART="scale --polls 1000": one part)
# make bench-placement  how the cost of placements grows (PART="push --sizes 10x8x1000": one part; also needs
#                 PostgreSQL 14 and Node.js 20; PART="starts --stores sqlite" does without PostgreSQL)
# make loss      does Panko lose tasks? A look of some minutes (LOSS="…": see `loss --help`)
# make moves     slots that move, again and again, under load and faults
# make postgres  the store, and two control servers, on PostgreSQL
# make docs      writes docs/api.md anew
# make tools     only what the others get first
# What is missing is got first, into ~/.cache/panko (PANKO_CACHE).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# For `panko dev` and the tests.
export PANKO_FILTER := $(TARGET)/filter/panko_filter.wasm
export PANKO_BIN := $(TARGET)/debug/panko

.PHONY: demo test test-all model postgres moves sdks ui bench bench-polls bench-placement loss loss-all filter panko lint unit e2e compose tools docs fmt

demo: filter panko
	programs=$$(scripts/tools env cli envoy) && eval "$$programs" && scripts/demo

test: lint unit e2e compose

test-all: test
	PROPTEST_CASES=20000 cargo test --locked --release --package panko-routing
	PANKO_SCHEDULES=1000000 cargo test --locked --release --package panko-control-server --lib pool
	PROPTEST_CASES=20000 cargo test --locked --release --package panko-control-server --lib paging
	$(MAKE) model
	$(MAKE) postgres
	$(MAKE) moves
	$(MAKE) sdks
	$(MAKE) ui
	$(MAKE) loss-all

bench: filter
	cargo build --locked --release --package panko-bench
	programs=$$(scripts/tools env envoy) && eval "$$programs" && \
	  for way in start chain names; do \
	    echo "$$way"; $(TARGET)/release/bench --way $$way --envoy "$$PANKO_ENVOY" --filter $(PANKO_FILTER); \
	  done

bench-polls: PART ?= all
bench-polls: filter
	cargo build --locked --release --package panko-control-server --package panko-bench
	programs=$$(scripts/tools env cli server envoy) && eval "$$programs" && \
	  $(TARGET)/release/bench-polls --panko $(TARGET)/release/panko $(PART)

# Only starts need PostgreSQL, and only where it is not said otherwise.
bench-placement: PART ?= all
bench-placement: BESIDE = $(if $(filter all starts,$(firstword $(PART))),$(if $(findstring --stores,$(PART)),$(if $(findstring postgres,$(PART)),scripts/postgres),scripts/postgres))
bench-placement: filter
	cargo build --locked --release --package panko-control-server --package panko-bench
	cargo build --locked --package panko-bench-lookup --target wasm32-wasip1 --profile filter
	programs=$$(scripts/tools env envoy) && eval "$$programs" && \
	  PANKO_LOOKUP=$(TARGET)/wasm32-wasip1/filter/lookup.wasm \
	  $(BESIDE) $(TARGET)/release/bench-placement --panko $(TARGET)/release/panko $(PART)

# What a few restarts can show.
LOSS := --scenario steady,restarts,kills,one-slot --rounds 1 --workflows 500 --activity-seconds 10

# Under load what is measured has to be built for speed.
loss: filter
	cargo build --locked --release --package panko-control-server --package panko-loss
	scripts/tools go tests/loss/go $(TARGET)/loss-worker
	programs=$$(scripts/tools env cli server envoy) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/sdk/python/requirements.txt) && \
	  PANKO_BIN=$(TARGET)/release/panko PANKO_PYTHON=$$venv/bin/python \
	  PANKO_LOSS_GO=$(TARGET)/loss-worker $(TARGET)/release/loss $(LOSS)

# Everything, with both SDKs; then the proof that a loss is seen.
loss-all:
	$(MAKE) loss LOSS="--sdk python,go --scenario steady,restarts,kills,in-flight,control-servers,cluster,away"
	$(MAKE) loss LOSS="--sdk python,go --kind server --scenario steady,restarts,kills"
	$(MAKE) loss LOSS="--sdk python,go --rounds 1 --scenario one-slot,scarce,scarce-8"
	$(MAKE) loss LOSS="--sdk python,go --scenario steady,kills --rounds 1 --workflows 500 --forget 5"

# Everything that can happen to the protocol by which slots move, for ten minutes for each of three sizes.
model:
	cargo test --locked --package panko-placement --test model -- --include-ignored --nocapture

# The store, and two control servers, on PostgreSQL. Needs PostgreSQL 14 or newer besides what `make test` needs.
postgres: filter panko
	scripts/postgres cargo test --locked --package panko-store -- --ignored
	programs=$$(scripts/tools env cli server envoy) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/sdk/python/requirements.txt) && \
	  PANKO_PYTHON=$$venv/bin/python \
	  scripts/postgres cargo test --locked --package panko-tests --test postgres -- --ignored --test-threads=1 --nocapture

# Slots that move, again and again, under load and faults of all kinds. Prints what clients saw.
moves: filter panko
	programs=$$(scripts/tools env cli server envoy) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/sdk/python/requirements.txt) && \
	  PANKO_PYTHON=$$venv/bin/python \
	  cargo test --locked --package panko-tests --test faults -- --ignored --test-threads=1 --nocapture

filter:
	scripts/tools wasm
	cargo build --locked --package panko-filter --target wasm32-wasip1 --profile filter
	mkdir -p $(TARGET)/filter
	cargo run --quiet --locked --package panko-filter-exports -- \
	  $(TARGET)/wasm32-wasip1/filter/panko_filter.wasm $(PANKO_FILTER)

panko:
	cargo build --locked --package panko-control-server

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --exclude panko-filter --all-targets -- --deny warnings
	scripts/tools wasm
	cargo clippy --locked --package panko-filter --target wasm32-wasip1 -- --deny warnings

unit:
	cargo test --locked --workspace --exclude panko-filter --exclude panko-tests

e2e: filter panko
	programs=$$(scripts/tools env cli server envoy source) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/sdk/python/requirements.txt) && \
	  scripts/tools go tests/sdk/go $(TARGET)/checklist-go && \
	  PANKO_PYTHON=$$venv/bin/python PANKO_CHECKLIST_GO=$(TARGET)/checklist-go \
	  cargo test --locked --package panko-tests --no-fail-fast -- --test-threads=1 --nocapture

# The checklist in every SDK, on both servers, with names that are equal and that differ. Needs Java 17 with Maven,
# and Node.js 20, besides what `make test` needs.
sdks: filter panko
	scripts/tools go tests/sdk/go $(TARGET)/checklist-go
	programs=$$(scripts/tools env cli server envoy) && eval "$$programs" && \
	  node=$$(scripts/tools node tests/sdk/typescript) && jar=$$(scripts/tools java tests/sdk/java) && \
	  PANKO_CHECKLIST_GO=$(TARGET)/checklist-go PANKO_CHECKLIST_TYPESCRIPT=$$node PANKO_CHECKLIST_JAVA=$$jar \
	  cargo test --locked --package panko-tests --test sdks -- --ignored --test-threads=1 --nocapture

# The Web UI in a browser. Needs Chromium besides what `make test` needs; pictures go to target/ui.
ui: filter panko
	scripts/tools go tests/ui $(TARGET)/panko-ui
	programs=$$(scripts/tools env cli envoy chromium) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/ui/requirements.txt) && \
	  PANKO_UI=$(TARGET)/panko-ui PANKO_UI_PYTHON=$$venv/bin/python PANKO_UI_PICTURES=$(TARGET)/ui \
	  cargo test --locked --package panko-tests --test ui -- --ignored --nocapture

compose: panko
	programs=$$(scripts/tools env cli) && eval "$$programs" && \
	  venv=$$(scripts/tools venv tests/compose_requirements.txt) && \
	  $$venv/bin/python tests/compose_check.py --panko $(PANKO_BIN) --temporal "$$PANKO_TEMPORAL"

tools:
	scripts/tools wasm
	scripts/tools env cli server envoy

docs:
	PANKO_WRITE_DOCS=1 cargo test --locked --package panko-tests --test api the_page

fmt:
	cargo fmt --all
