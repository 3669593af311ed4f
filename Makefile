# Every target sets up what it needs in .venv; a fresh clone needs only make, git and Python 3.11 to 3.13.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The stamps say which extras are installed from the present pyproject.toml and constraints.txt.
SERVER := $(VENV)/.installed-server
DEV := $(VENV)/.installed-dev
LINT := $(VENV)/.installed-lint
DEPLOY := $(VENV)/.installed-deploy
RAY := $(VENV)/.installed-ray
TRITON := $(VENV)/.installed-triton
INPUTS := pyproject.toml constraints.txt tools/install.py
# Passed on to the program behind demo, test, bench and serve: make test ARGS="-k resample"
ARGS ?=
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# The tests start hundreds of processes; each would compile every module anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	if $$candidate -c '$(SUPPORTED)' 2>/dev/null; then echo $$candidate; break; fi; done)

.PHONY: help setup demo demo-qwen test check gates bench bench-gpu gen serve lint fmt clean
.PHONY: docs check-deploy test-under-load check-proto check-stubs check-docs check-wheel test-node test-ray test-triton test-gpu-shadow

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(LINT) ## install everything for development in .venv

demo: $(SERVER) ## start the service, stream a real recording to it, show the text
	@$(BIN)/speech-service demo $(ARGS)

demo-qwen: $(DEV) ## the Qwen3 engine with a small real model: speak digits, read them back
	@$(BIN)/speech-service demo-qwen tests/assets/digits $(ARGS)

test: $(DEV) ## run the tests that need no GPU
	$(BIN)/python -m pytest -m "not gpu" -n auto --dist loadfile $(ARGS)

check: gates test ## everything that must hold before a commit lands

gates: lint check-proto check-stubs check-docs check-wheel ## all of `check` but the tests

bench: $(DEV) ## run the benchmarks
	$(BIN)/python -m benchmarks $(ARGS)

# Runs from a checkout, too, on a machine that has torch, safetensors, tokenizers and numpy, and no network.
bench-gpu: ## measure the Qwen3 engines on a CUDA GPU, full-size random weights
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(or $(PYTHON),python3)) -m benchmarks.gpu $(ARGS)

gen: $(DEV) ## write the Python stubs, and Envoy's descriptors, from proto/
	$(BIN)/python tools/gen_proto.py
	$(BIN)/python tools/descriptor_set.py

docs: $(DEV) ## write the reference pages from the sources
	$(BIN)/python -m tools.docs
	$(BIN)/python tools/grafana_board.py

test-under-load: $(DEV) ## the tests beside four busy loops; nothing in a test may depend on speed
	$(BIN)/python tools/busy.py 4 -- $(BIN)/python -m pytest -m "not gpu" -n auto --dist loadfile $(ARGS)

serve: $(SERVER) ## run the service in the foreground
	@$(BIN)/speech-service serve $(ARGS)

lint: $(LINT) ## formatting, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

fmt: $(LINT) ## format, and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

check-proto: $(DEV) ## lint the contract; compare it with the one before
	$(BIN)/buf lint
	$(BIN)/python tools/check_breaking.py

check-stubs: $(DEV) ## the committed stubs are what proto/ gives
	$(BIN)/python tools/gen_proto.py --check
	$(BIN)/python tools/descriptor_set.py --check

check-docs: $(DEV) ## the committed reference pages are what the sources give
	$(BIN)/python -m tools.docs --check
	$(BIN)/python tools/grafana_board.py --check

check-wheel: $(DEV) ## build the wheel and import from it
	$(BIN)/python tools/check_wheel.py

check-deploy: $(DEPLOY) ## deploy/: Envoy before real servers, the chart by helm and Kubernetes' schemas; needs npm
	$(BIN)/python -m pytest tests/deploy $(ARGS)

test-ray: $(RAY) ## deploy/ray: a local cluster of three nodes, one of them killed under live streams
	$(BIN)/pyright deploy/ray tests/ray
	$(BIN)/python -m pytest tests/ray $(ARGS)

test-triton: $(TRITON) ## the kernels of GPUs in Triton's interpreter, held against plain torch
	$(BIN)/python -m pytest tests/unit/engines/qwen3/test_triton_kernels.py $(ARGS)

GPU_SHADOW := tests/unit/test_fake_memory.py tests/unit/engines/test_cuda.py $(addprefix tests/unit/engines/qwen3/, \
	test_waits.py test_kernel_counts.py test_replay.py asr/test_pacing.py asr/test_slots.py tts/test_pacing.py)

test-gpu-shadow: $(DEV) ## what is proved and counted of the GPU path without a card; prints it. A part of `test`
	$(BIN)/python -m pytest -rP -n auto --dist load $(GPU_SHADOW) $(ARGS)

test-node: $(DEV) ## test the Node.js example; needs node and npm
	cd clients/node && npm ci --no-audit --no-fund && PATH="$(abspath $(BIN)):$$PATH" npm test

clean: ## remove builds and caches; .venv stays
	rm -rf build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11, 3.12 or 3.13 is needed, and none was found."; \
		echo "Install one, or name it: make setup PYTHON=/path/to/python3.12"; exit 1; fi
	$(PYTHON) -m venv $(VENV)

install = $(BIN)/python tools/install.py $(1)

$(SERVER): $(INPUTS) | $(BIN)/python
	@echo "Installing the service in $(VENV), half a minute or so the first time ..."
	@$(call install,server)
	@touch $@

$(DEV): $(INPUTS) | $(BIN)/python
	@echo "Installing the service and its tools in $(VENV), half a minute or so the first time ..."
	@$(call install,server$(comma)qwen$(comma)dev)
	@touch $(SERVER) $@

$(LINT): $(INPUTS) | $(BIN)/python
	@echo "Installing the service, its tools and those of the gates in $(VENV), half a minute or so the first time ..."
	@$(call install,server$(comma)qwen$(comma)dev$(comma)lint)
	@touch $(SERVER) $(DEV) $@

$(DEPLOY): $(DEV) tools/fetch_helm.sh tests/deploy/crds/package-lock.json
	@$(call install,server$(comma)qwen$(comma)dev$(comma)deploy)
	tools/fetch_helm.sh $(BIN)
	cd tests/deploy/crds && npm ci --no-audit --no-fund --loglevel error
	@touch $@

$(RAY): $(DEPLOY)
	@$(call install,server$(comma)qwen$(comma)dev$(comma)deploy$(comma)lint$(comma)ray)
	@touch $@

$(TRITON): $(DEV)
	@$(call install,server$(comma)qwen$(comma)dev$(comma)triton)
	@touch $@

comma := ,
