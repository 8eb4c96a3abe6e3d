# Totebox. `make` alone lists the targets.

BOARD        ?= qemu_virt_aarch64
CONFIG       ?= debug
MICROKIT_SDK ?= $(HOME)/microkit-sdk-2.3.0
TOTEBOX      := target/release/totebox

.DEFAULT_GOAL := help
.PHONY: help build run test system check-system image qemu lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  MICROKIT_SDK=$(MICROKIT_SDK)  BOARD=$(BOARD)  CONFIG=$(CONFIG) (debug or release)"

build: ## the host tool, target/release/totebox, and the hosted backend
	cargo build --release -p totebox -p totebox-hosted

run: build ## start the appliance on the hosted backend, with an operator's prompt
	$(TOTEBOX) run

system: build ## regenerate system.xml from totebox.toml
	$(TOTEBOX) system

check-system: build ## fail if system.xml is stale
	$(TOTEBOX) system --check

test: build ## all tests: unit, simulator, hosted, and on seL4 in QEMU where there is an SDK
	tests/run

lint: ## formatting and clippy, both workspaces
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(MAKE) lint-sel4

clean: ## remove everything built
	rm -rf target pds/sel4/target

include pds/sel4/build.mk
