# Totebox. `make` alone lists the targets.

BOARD        ?= qemu_virt_aarch64
CONFIG       ?= debug
KILLS        ?= 300
MICROKIT_SDK ?= $(HOME)/microkit-sdk-2.3.0
TOTEBOX      := target/release/totebox
IMAGE        := target/sel4/$(CONFIG)/totebox.img

.DEFAULT_GOAL := help
.PHONY: help build run keys images test kills system check report image qemu lint lint-sel4 clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  MICROKIT_SDK=$(MICROKIT_SDK)  BOARD=$(BOARD)  CONFIG=$(CONFIG) (debug or release)"

build: ## the host tool, target/release/totebox, and the hosted backend
	cargo build --release -p totebox -p totebox-hosted

run: build keys ## start the appliance on the hosted backend, with an operator's prompt
	$(TOTEBOX) run

system: build ## regenerate system.xml, and its picture, from totebox.toml
	$(TOTEBOX) system
	$(TOTEBOX) graph -o docs/pictures/reference.svg

check: build ## fail if system.xml is stale or breaks a rule of isolation
	$(TOTEBOX) system --check
	$(TOTEBOX) check

report: build ## write the auditor's report, target/report.html
	$(TOTEBOX) report -o target/report.html

keys: build ## make the archives' signing keys, in keys/, where they are missing
	@$(TOTEBOX) keys --make >/dev/null

# What tests on seL4 need; without an SDK nothing, and they say that they are skipped.
images: build
	@if [ -x $(MICROKIT_SDK)/bin/microkit ]; then $(MAKE) image CONFIG=debug && $(MAKE) image CONFIG=release; fi

test: images ## all tests: unit, simulator, hosted, and on seL4 in QEMU where there is an SDK
	MICROKIT_SDK=$(MICROKIT_SDK) cargo test --workspace --no-fail-fast

kills: images ## kill the appliance KILLS times at random moments, hosted and on seL4, and look for what is lost
	MICROKIT_SDK=$(MICROKIT_SDK) TOTEBOX_KILLS=$(KILLS) cargo test -p totebox-tests --test appliance every_receipt_holds -- --nocapture

image: check keys ## the bootable image for seL4, target/sel4/CONFIG/totebox.img, hardened and checked
	$(TOTEBOX) system --manifests target/sel4/manifests
	MICROKIT_SDK=$(MICROKIT_SDK) MICROKIT_BOARD=$(BOARD) pds/sel4/image.sh $(CONFIG) system.xml target/sel4/manifests
	$(TOTEBOX) harden $(IMAGE) $(dir $(IMAGE))capdl.json
	$(TOTEBOX) check --image $(IMAGE)

qemu: image ## boot it in QEMU, with the operator's prompt on this terminal
	$(TOTEBOX) run --backend qemu --config $(CONFIG)

lint: lint-sel4 ## formatting and clippy, both workspaces
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings

# The seL4 workspace has a git dependency and needs an SDK; without them its clippy is skipped, and says so.
lint-sel4:
	cd pds/sel4 && cargo fmt --all --check
	MICROKIT_SDK=$(MICROKIT_SDK) pds/sel4/cargo.sh debug clippy --release --workspace -- -D warnings \
	  || { [ $$? -eq 2 ] && echo "SKIPPED: clippy of pds/sel4"; }

clean: ## remove everything built
	rm -rf target pds/sel4/target

