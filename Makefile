# Every target runs in a virtual environment of its own, made from the hash-pinned lock with uv, else with venv and pip.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
N ?= 1000
SCENARIO ?= workspaces
STAMP := $(VENV)/.installed
COMPILE := uv pip compile -q $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.PHONY: help demo test nightly e2e parts lint check generate bench format unit lock clean venv docs screens release-artifacts workflows

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements-dev.txt pyproject.toml sandbox/pyproject.toml
	@echo "Installing the locked environment into $(VENV) ..."
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python $(PYTHON) $(VENV) && \
	  VIRTUAL_ENV=$(VENV) uv pip install -q --require-hashes -r requirements-dev.txt && \
	  VIRTUAL_ENV=$(VENV) uv pip install -q --no-deps --no-build-isolation -e . -e sandbox ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt && \
	  $(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . -e sandbox ; \
	fi
	@touch $@

venv: $(STAMP) ## the virtual environment alone

demo: $(STAMP) ## the main job, from nothing: control plane, operator, examples, drift repaired, clean end
	@$(BIN)/outfitter demo

# Every test has one of three phases (tests/plugins/selection.py). A failed phase does not keep the next one from
# running: the summary adds them up, and decides.
SANDBOX_TESTS := changed
PHASE = $(BIN)/pytest tests tests/e2e --sandbox-tests $(SANDBOX_TESTS) --evidence build/evidence $(OPTIONS)
test: $(STAMP) parts ## all tests, each once; slow tests of the sandbox only where it changed
	@rm -rf build/runs build/evidence
	@$(PHASE) --run-name parallel -m parallel -n 2 --dist loadfile || true
	@$(PHASE) --run-name shared_node -m shared_node -n 2 --dist loadfile || true
	@$(PHASE) --run-name alone -m alone || true
	@$(BIN)/python tests/summary.py parallel shared_node alone

nightly: ## all tests, with ten times as many random examples
	@$(MAKE) --no-print-directory test SANDBOX_TESTS=all OPTIONS=--nightly

e2e: $(STAMP) parts ## only the scenarios in real pods: as root on Linux, or on the cluster of OUTFITTER_E2E_KUBECONFIG
	@$(BIN)/pytest --durations=0 --durations-min=5 tests/e2e

# Builds what is not there yet. Where a part cannot be built, the tests that need it say so in the summary.
parts: $(STAMP)
	@$(BIN)/outfitter sandbox build
	@if [ -z "$$OUTFITTER_E2E_KUBECONFIG" ] && [ "$$(id -u)" = 0 ]; then $(BIN)/outfitter sandbox build --node || true; fi
	@$(BIN)/outfitter sandbox build --jobset || true
	@$(BIN)/outfitter sandbox build --mpi-operator || true
	@$(BIN)/outfitter sandbox build --data || true
	@$(BIN)/outfitter sandbox build --crane || true
	@$(BIN)/outfitter sandbox build --buildkit || true
	@$(BIN)/outfitter sandbox build --registry || true
	@$(BIN)/outfitter sandbox build --flux || true
	@cd tests && ../$(BIN)/python -m foreign_crds || true
	@cd tests && ../$(BIN)/python -m e2e.harness.helm || true

unit: $(STAMP) ## the tests that need no control plane
	@$(BIN)/pytest -n 2 -m "not cluster and not slow"

lint: $(STAMP) ## format, lint, types, imports
	@$(BIN)/ruff format --check src sandbox tests
	@$(BIN)/ruff check src sandbox tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache 2>&1 | tail -n 6

check: lint unit ## lint, and the tests that need no control plane

format: $(STAMP) ## format, and fix what ruff can fix
	@$(BIN)/ruff format src sandbox tests
	@$(BIN)/ruff check --fix src sandbox tests

generate: $(STAMP) ## CRDs, chart copies, install.yaml, reference pages: all from the models and tables
	@helm="$$(cd tests && ../$(BIN)/python -m e2e.harness.helm)"; \
	$(BIN)/python -m outfitter.codegen $${helm:+"$$helm"}

bench: $(STAMP) ## the six figures of docs/development/performance.md; N=50 is quick; SCENARIO=artifacts|cached|all|trainings
	@$(BIN)/outfitter sandbox build
ifeq ($(SCENARIO),trainings)
	@$(BIN)/python -m tests.bench.trainings --n $(N)
	@$(BIN)/python -m tests.bench --n $(N) --scenario trainings
	@$(BIN)/python -m tests.bench --n $(N) --scenario distributed
else
	@$(BIN)/python -m tests.bench --n $(N) --scenario $(SCENARIO)
	@$(BIN)/python -m tests.bench.policies
	@$(BIN)/python -m tests.bench.policy_edit --n $(N)
endif

lock: ## pin all dependencies with hashes and without index addresses, with uv; UPGRADE=1 moves pins to new versions
	@$(COMPILE) pyproject.toml -o requirements.txt
	@$(COMPILE) pyproject.toml sandbox/pyproject.toml --group dev --no-emit-package outfitter -c requirements.txt \
	  -o requirements-dev.txt
	@$(COMPILE) .github/tools.in -o .github/tools.txt

release-artifacts: $(STAMP) ## the files of a version, checked, in build/release; IMAGE=name@digest, DOWNLOADS=url, TAG=v1.2.3
	@helm="$$(cd tests && ../$(BIN)/python -m e2e.harness.helm)" && \
	$(BIN)/python -m outfitter.codegen.release --helm "$$helm" \
	  --image "$${IMAGE:-}" --downloads "$${DOWNLOADS:-}" --tag "$${TAG:-}"

ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
workflows: ## lint .github/workflows; needs Go
	@$(PYTHON) -m venv build/tools
	@build/tools/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r .github/tools.txt
	@go run $(ACTIONLINT) -shellcheck build/tools/bin/shellcheck .github/workflows/*.yaml
	@build/tools/bin/zizmor --offline --quiet --persona pedantic .github/workflows

docs: $(STAMP) ## the docs site, in build/docs/site; a broken link fails it
	@cd tests && ../$(BIN)/python -m docs.site

screens: $(STAMP) ## the pictures of commands in docs/guide/screens, made on a sandbox
	@cd tests && ../$(BIN)/python -m docs.screens

clean: ## remove what was built here (caches of built binaries stay)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
