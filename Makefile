# Everything from a fresh clone: `make demo` and `make test` create .venv, install and run.
# `make help` lists the targets and the variables.

# Version managers put names on PATH that fail when they are run, so each one is tried.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	$$name -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 15))' \
	2>/dev/null && { echo $$name; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

SERVE ?= 1
SEED ?=
PORT ?=
DEMO_OPTIONS = $(if $(filter 0,$(SERVE)),--no-serve) $(if $(SEED),--seed $(SEED)) $(if $(PORT),--port $(PORT))
# One more than two cores: some always waits for a server. One file stays in one process, with its
# server and browser.
TEST_PROCESSES ?= 3
PYTEST_OPTIONS ?=
# Tests start hundreds of Pythons; without compiled files each would compile all of our source.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 CHROMIUM="$$(cat $(VENV)/browser.path)" $(BIN)/python -m pytest

QUICK ?=
BENCH_OPTIONS ?=
BENCH = PYTHONPATH=tests $(BIN)/python -m benchmarks
# What benchmarks compare with has an environment of its own; seeded databases are kept in .bench.
PEER ?= .venv-label-studio
LABEL_STUDIO := 1.23.2
IRRCAC := 0.4.4

.DEFAULT_GOAL := help
.PHONY: help demo test lint check format soak bench-server bench-agreement clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make demo SERVE=0 SEED=1 PORT=8000    no web app at the end; another seed; another port'
	@echo '  make test PYTEST_OPTIONS="-k split"   only some tests; TEST_PROCESSES=1 for one at a time'
	@echo '  make soak SOAK_JUDGMENTS=2000         fewer judgments under faults; 50000 on each database otherwise'
	@echo '  make soak SOAK_RACE=200               smaller long races; 1500 comparisons in each of four otherwise'
	@echo '  make bench-server QUICK=1             small sizes, a minute; the whole takes most of an hour'
	@echo '  PYTHON=python3.12 VENV=.venv          the interpreter and the folder of the environment'

demo: $(VENV)/.ok ## Run the whole loop on a small project, then serve the web app on it
	$(BIN)/prefloop demo $(DEMO_OPTIONS)

test: $(VENV)/.ok-browser ## Run the tests, with a real PostgreSQL and a real browser
	$(PYTEST) -m "not slow and not gpu" -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder \
	    --durations=15 $(PYTEST_OPTIONS)

soak: $(VENV)/.ok-browser ## Run the slow tests
	$(PYTEST) -m "slow and not gpu" --durations=15 $(PYTEST_OPTIONS)

bench-server: $(VENV)/.ok-dev $(PEER)/.ok ## Measure annotators at work, admin pages, and Label Studio beside them
	$(BENCH).server --peer $(PEER) $(if $(filter 1,$(QUICK)),--quick) $(BENCH_OPTIONS)

bench-agreement: $(VENV)/.ok-dev ## Measure agreement over a million judgments, beside other implementations
	$(BENCH).agreement $(if $(filter 1,$(QUICK)),--quick) $(BENCH_OPTIONS)

lint: $(VENV)/.ok-dev ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## Run lint and test: what every change passes

format: $(VENV)/.ok-dev ## Format and sort what can be done without thinking
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and every cache
	rm -rf $(VENV) $(PEER) .bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: a step runs again only when what it installs from has changed.
$(VENV)/.ok-base:
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 to 3.14 on PATH. Install one, or name it: make PYTHON=/path/to/python3"; \
		exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its venv module is missing."; \
		echo "On Debian and Ubuntu install it with: apt-get install python3-venv"; \
		exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.ok-torch: $(VENV)/.ok-base tools/install_torch.py
	@echo "Installing PyTorch into $(VENV); the first time this takes a minute or more."
	$(BIN)/python tools/install_torch.py
	@touch $@

$(VENV)/.ok: pyproject.toml constraints.txt $(VENV)/.ok-torch
	@echo "Installing what the web app and the trainers need."
	$(PIP) -e '.[web,train]'
	@touch $@

$(VENV)/.ok-dev: $(VENV)/.ok
	@echo "Installing what the tests need."
	$(PIP) -e '.[web,train,dev]'
	$(PIP) --no-deps irrCAC==$(IRRCAC)
	@touch $@

$(VENV)/.ok-browser: $(VENV)/.ok-dev tools/ensure_browser.py
	$(BIN)/python tools/ensure_browser.py > $(VENV)/browser.path
	@touch $@

$(PEER)/.ok: | $(VENV)/.ok-dev
	@echo "Installing Label Studio into $(PEER) and importing its tasks; this takes minutes, once."
	$(BIN)/python -m venv $(PEER)
	$(PEER)/bin/python -m pip install -q --disable-pip-version-check label-studio==$(LABEL_STUDIO)
	$(BENCH).label_studio $(PEER) .bench
	@touch $@
