# make demo    a sandbox with two clusters and 100 orders through it (CHECK=1: verdict only)
# make test    what a newcomer and CI run: lint, unit, property and end-to-end tests
# make test-all  the above and what takes long
# make bench   what the filter costs Envoy
# Everything that is missing is got first, into ~/.cache/panko (PANKO_CACHE).

SHELL := /bin/bash
CACHE := $(or $(PANKO_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/panko)
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# The pinned programs, for `panko dev` and the tests.
export PANKO_TEMPORAL ?= $(CACHE)/tools/temporal-cli-1.5.1/temporal
export PANKO_TEMPORAL_SERVER ?= $(CACHE)/tools/temporal-server-1.32.1/server
export PANKO_ENVOY ?= $(CACHE)/tools/envoy-1.40.0/envoy
export PANKO_FILTER := $(TARGET)/wasm32-wasip1/filter/panko_filter.wasm
export PANKO_BIN := $(TARGET)/debug/panko

.PHONY: demo test test-all bench filter panko lint unit e2e compose tools fmt

demo: tools-demo filter panko
	scripts/demo

test: lint unit e2e compose

test-all: test
	PANKO_LONG=1 cargo test --locked --package panko-tests --test checklists -- --nocapture

bench: tools-demo filter
	cargo build --locked --release --package panko-control-server --package panko-tests --bins
	$(TARGET)/release/bench --envoy $(PANKO_ENVOY) --filter $(PANKO_FILTER) --panko $(TARGET)/release/panko

.PHONY: tools-demo tools-test
tools-demo:
	scripts/tools cli
	scripts/tools envoy

tools-test: tools-demo
	scripts/tools server

filter:
	scripts/tools wasm
	cargo build --locked --package panko-filter --target wasm32-wasip1 --profile filter

panko:
	cargo build --locked --package panko-control-server

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --exclude panko-filter --all-targets -- --deny warnings
	scripts/tools wasm
	cargo clippy --locked --package panko-filter --target wasm32-wasip1 -- --deny warnings

unit:
	cargo test --locked --workspace --exclude panko-filter --exclude panko-tests

e2e: tools-test filter panko
	PANKO_PYTHON=$$(scripts/tools venv tests/sdk/python/requirements.txt)/bin/python \
	  cargo test --locked --package panko-tests -- --test-threads=1 --nocapture

compose: tools-demo panko
	$$(scripts/tools venv tests/compose_requirements.txt)/bin/python tests/compose_check.py \
	  --panko $(PANKO_BIN) --temporal $(PANKO_TEMPORAL)

fmt:
	cargo fmt --all
