# Totebox. `make` alone lists the targets. DEPLOYMENT=DIR is the deployment that is meant, CONFIG the Microkit
# configuration of its image: debug or release.

DEPLOYMENT   ?= .
CONFIG       ?= debug
KILLS        ?= 300
MICROKIT_SDK ?= $(HOME)/microkit-sdk-2.3.0
TOTEBOX      := target/release/totebox
IMAGE        := $(DEPLOYMENT)/target/sel4/$(CONFIG)/totebox.img

# Seconds each fuzz target runs, and which run.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))
FUZZ         := cargo +nightly fuzz run --target-dir target/fuzz/build
FUZZ_LIMITS  := -max_len=65536 -timeout=60 -rss_limit_mb=2048

# Paths here and in the scripts are those under target/.
unexport CARGO_TARGET_DIR

.DEFAULT_GOAL := help
.PHONY: help build run keys images test kills mutants nightly bench bench-sel4 system check report image qemu fuzz fuzz-corpus miri lint lint-sel4 lint-bench deny clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  DEPLOYMENT=$(DEPLOYMENT)  CONFIG=$(CONFIG) (debug or release)  MICROKIT_SDK=$(MICROKIT_SDK)"

build: ## the host tool, target/release/totebox, and the hosted backend
	cargo build --release -p totebox -p totebox-hosted

run: build keys ## start the appliance on the hosted backend, with an operator's prompt
	$(TOTEBOX) run --deployment $(DEPLOYMENT)

system: build ## regenerate system.xml, and its picture, from totebox.toml
	$(TOTEBOX) system
	$(TOTEBOX) graph -o docs/pictures/reference.svg --force

check: build ## fail if system.xml is stale or breaks a rule of isolation
	$(TOTEBOX) system $(DEPLOYMENT) --check
	$(TOTEBOX) check $(DEPLOYMENT)/system.xml

report: build ## write the auditor's report, target/report.html
	$(TOTEBOX) report -o target/report.html --force

keys: build ## make the archives' signing keys, in keys/, where they are missing
	@$(TOTEBOX) keys $(DEPLOYMENT) --make >/dev/null

# What tests on seL4 need; without an SDK nothing, and they say that they are skipped.
images: build
	@if [ -x $(MICROKIT_SDK)/bin/microkit ]; then $(MAKE) image CONFIG=debug && $(MAKE) image CONFIG=release; fi

# What the verifier in Python needs. Where it cannot be had now, its tests say that they are skipped, and the next
# `make test` tries again.
VENV := target/venv
$(VENV)/ready: tests/reference-verifier/requirements.txt
	python3 -m venv $(VENV) && $(VENV)/bin/pip install --quiet --no-input --disable-pip-version-check --retries 1 \
	  --timeout 20 -r $< && touch $@ || echo "SKIPPED: the packages of the verifier in Python cannot be had"

test: images $(VENV)/ready ## all tests: unit, simulator, hosted, and on seL4 in QEMU where there is an SDK
	MICROKIT_SDK=$(MICROKIT_SDK) cargo test --workspace --no-fail-fast

kills: images ## kill the appliance KILLS times at random moments, hosted and on seL4, and look for what is lost
	MICROKIT_SDK=$(MICROKIT_SDK) TOTEBOX_KILLS=$(KILLS) cargo test -p totebox-tests --test appliance every_receipt_holds -- --nocapture

mutants: ## break a copy of the source on purpose, and see that the simulator notices
	tests/mutants/run.sh

# Seeds of the simulator's random lives, and rounds of the scripts that are cut at every disk operation. Built as for
# `make test`, so that overflow and the domains' own assertions are checked.
SEEDS   ?= 10000
SCRIPTS ?= 20
simulate = TOTEBOX_SIM_SEEDS=$(2) cargo test -q -p totebox-tests --test $(1) -- --nocapture

nightly: ## the simulator for hours: SEEDS random lives of each kind, SCRIPTS rounds of cuts at every disk operation
	$(call simulate,vault_power_cuts many_lives,$(SEEDS))
	$(call simulate,archive_cuts what_was_acknowledged,$(SEEDS))
	$(call simulate,sim_power_cuts,$(SEEDS))
	$(call simulate,sim_faults receipts_hold,$(SEEDS))
	$(call simulate,vault_power_cuts at_every_disk_operation,$(SCRIPTS))
	$(call simulate,sim_scripts,$(SCRIPTS))
	$(call simulate,sim_faults reads_wrong,$(SCRIPTS))

bench: ## speed beside the disk, the hash and other stores (docs/performance.md); figures go to target/bench.json
	mkdir -p target && cd bench && cargo run --locked --release -- --json ../target/bench.json

bench-sel4: ## instructions a record and an audit take on seL4 in QEMU, by domain; needs an SDK
	$(MAKE) image CONFIG=release
	cd bench && MICROKIT_SDK=$(MICROKIT_SDK) cargo run --locked --release -- --json ../target/bench-sel4.json sel4

image: check keys ## the bootable image for seL4, target/sel4/CONFIG/totebox.img, hardened and checked
	$(TOTEBOX) system $(DEPLOYMENT) --manifests $(DEPLOYMENT)/target/sel4/manifests
	MICROKIT_SDK=$(MICROKIT_SDK) pds/backends/sel4/image.sh $(CONFIG) $(DEPLOYMENT)
	$(TOTEBOX) harden --system $(DEPLOYMENT)/system.xml $(IMAGE) $(dir $(IMAGE))capdl.json
	$(TOTEBOX) check $(DEPLOYMENT)/system.xml --image $(IMAGE)

qemu: image ## boot it in QEMU, with the operator's prompt on this terminal
	$(TOTEBOX) run --deployment $(DEPLOYMENT) --backend qemu --config $(CONFIG)

# What is found goes to target/fuzz/found; an input that fails to target/fuzz/failed, and ends the run.
fuzz: ## every fuzz target for FUZZ_SECONDS=60 (needs a nightly toolchain and cargo-fuzz)
	cargo run --quiet -p totebox-fuzzing --example seeds target/fuzz/seeds
	@set -e; mkdir -p target/fuzz/failed; for name in $(FUZZ_TARGETS); do \
	  echo "--- $$name"; mkdir -p target/fuzz/found/$$name; \
	  $(FUZZ) $$name target/fuzz/found/$$name fuzz/corpus/$$name target/fuzz/seeds/$$name -- $(FUZZ_LIMITS) \
	    -artifact_prefix=target/fuzz/failed/$$name- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; done

fuzz-corpus: ## keep in fuzz/corpus the little of what `make fuzz` found that reaches more than the seeds
	@set -e; for name in $(FUZZ_TARGETS); do fuzz/keep.sh $$name $(FUZZ); done

miri: ## the shared memory's tests under Miri (needs a nightly toolchain with miri and rust-src)
	MIRIFLAGS=-Zmiri-permissive-provenance cargo +nightly miri test -p totebox-shm --lib

lint: lint-sel4 deny ## formatting, clippy and licences; of benchmark and fuzz programs formatting and lock files alone
	cargo fmt --check
	cd bench && cargo fmt --check && cargo update --quiet --workspace --locked
	cd fuzz && cargo fmt --check && cargo update --quiet --workspace --locked
	cargo clippy --workspace --all-targets -- -D warnings

# The seL4 workspace has a git dependency and needs an SDK; without them its clippy is skipped, and says so.
lint-sel4:
	cd pds/backends/sel4 && cargo fmt --all --check
	MICROKIT_SDK=$(MICROKIT_SDK) pds/backends/sel4/cargo.sh debug clippy --release --workspace -- -D warnings \
	  || { [ $$? -eq 2 ] && echo "SKIPPED: clippy of pds/backends/sel4"; }

# What is shipped: the host side with the Linux backend, and, where its git dependency can be had, the programs for seL4.
DENY := cargo deny --log-level error --config $(CURDIR)/deny.toml
SEL4 := --manifest-path pds/backends/sel4/Cargo.toml
deny: ## licences and sources of all dependencies, by deny.toml (needs cargo-deny)
	@if ! cargo deny --version > /dev/null 2>&1; then \
	  echo "SKIPPED: licences and sources of dependencies; cargo install --locked cargo-deny"; \
	else $(DENY) check licenses bans sources && \
	  if cargo fetch --quiet --locked $(SEL4) 2> /dev/null; then $(DENY) $(SEL4) check licenses bans sources; \
	  else echo "SKIPPED: licences and sources of pds/backends/sel4"; fi; fi

# It builds the benchmark's peers, which takes longer than everything else.
lint-bench: ## clippy of the benchmark
	cd bench && cargo clippy --locked --all-targets -- -D warnings

clean: ## remove everything built; disk images, and what a repair has saved of one, stay
	@! [ -S target/run/console ] || { echo "target/run/console is there: stop the appliance that runs here first" \
	  "(after a crash, remove that file)"; exit 1; }
	rm -rf pds/backends/sel4/target bench/target
	@mkdir -p target
	find target -mindepth 1 -maxdepth 1 ! -name '*.img' ! -name '*.img.*' -exec rm -rf {} +

