# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REALDATA ?= ../shared/realdata
PORT ?= 8050
WEIGHTS ?=
GENOME ?=
BUNDLES := .cache/bundles

# PIP_FLAGS is for people behind a mirror.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_FLAGS)

.PHONY: demo test lint audit clean
.DEFAULT_GOAL := demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Locuscope needs Python 3.11 or later.")'
	$(PYTHON) -m venv $(VENV)

# torch first and exactly: newer releases bring several GB of CUDA packages. SpliceAI's package is
# taken for its networks and gene tables alone (its own dependencies would be TensorFlow).
$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Locuscope into $(VENV) (a few minutes the first time)"
	@$(PIP) -c constraints.txt torch
	@$(PIP) -c constraints.txt -e .
	@$(PIP) -c constraints.txt --no-deps spliceai
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@$(PIP) -c constraints.txt -e '.[test]'
	@touch $@

# Without GENOME: the teaching genome, behind the human test bundles where their data are beside us.
demo: $(VENV)/installed
	@set -e; genome="$(GENOME)"; weights="$(WEIGHTS)"; \
	if [ -n "$$genome" ]; then set -- --genome "$$genome"; else \
	  $(BIN)/locuscope teaching build --out $(BUNDLES)/teach1; \
	  set -- --genome $(BUNDLES)/teach1; \
	  if [ -d "$(REALDATA)" ]; then \
	    $(MAKE) --no-print-directory $(VENV)/installed-test; \
	    $(BIN)/python -m tests.realdata.hg38_windows $(BUNDLES)/hg38-windows --realdata $(REALDATA); \
	    $(BIN)/python -m tests.realdata.hg19_chr20 $(BUNDLES)/hg19-chr20 --realdata $(REALDATA); \
	    $(BIN)/python -m tests.realdata.published_variants $(BUNDLES) --realdata $(REALDATA); \
	    set -- --genome $(BUNDLES)/hg19-chr10 --genome $(BUNDLES)/hg38-chr1 "$$@"; \
	    set -- --genome $(BUNDLES)/hg38-windows --genome $(BUNDLES)/hg19-chr20 "$$@"; \
	    weights=$${weights:-$(REALDATA)/weights}; \
	  fi; \
	fi; \
	exec $(BIN)/locuscope serve "$$@" $${weights:+--weights "$$weights"} --port $(PORT)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive app models

# Asks PyPI for advisories on every package by its exact version, so it needs the network.
audit: $(VENV)/installed-test
	@$(PIP) pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

test: $(VENV)/installed-test lint
	@tests/browser/install_chromium.sh
	$(BIN)/python -m pytest

clean:
	rm -rf .cache build *.egg-info
