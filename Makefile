# Everything a person or CI calls. `make demo` and `make test` work on a fresh machine with Python 3.11 or newer.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The first of these that is there (3.11 is what the constraints were resolved with); `make PYTHON=/path/to/python demo` chooses another one.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help venv install demo ui test test-long test-ui test-peer check docs bench clean

help:
	@echo "make demo       install, then synthetic copies of real tables (first time: some minutes)"
	@echo "make ui         Dagster's UI over the same state, http://localhost:3000 (PORT=… for another one)"
	@echo "make test       install, then the tests"
	@echo "make test-long  the long forms; test-ui needs Chromium; test-peer installs the peer engine"
	@echo "make check      style and types      make docs   what the pages say, executed      make bench  measurements"

venv: $(BIN)/python

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv and pip was not found. Install it (Debian: apt-get install python3 python3-venv), or say make PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamp is newer than what was installed from: a second run installs nothing.
install: $(VENV)/installed

$(VENV)/installed: $(BIN)/python constraints.txt setup.cfg pyproject.toml
	@echo "Installing into $(VENV); the first time this downloads PyTorch."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,dev]'
	@touch $@

demo: install
	$(BIN)/argn backfill --all

PORT ?= 3000
ui: install
	@echo "The UI is at http://localhost:$(PORT) in a few seconds; Ctrl-C ends it."
	$(BIN)/argn datasets sync || true
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" DAGSTER_HOME="$(CURDIR)" $(BIN)/dg dev --port $(PORT)

# A process per core and one thread in each: a file's tests stay together, because they share what they train.
test: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile -m "not slow and not browser and not peer"

test-long: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile -m slow

test-ui: install
	$(BIN)/pytest -m browser

# The peer engine has an environment of its own; ARGN_PEER_PYTHON names the Python of one that is there already.
ifndef ARGN_PEER_PYTHON
PEER := .venv-peer/installed
endif

test-peer: export ARGN_PEER_PYTHON ?= $(CURDIR)/.venv-peer/bin/python
test-peer: install $(PEER)
	$(BIN)/pytest -m peer

.venv-peer/installed:
	@echo "Installing mostlyai-engine 2.7.3 into .venv-peer; this downloads PyTorch and libraries for language models."
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 mostlyai-engine==2.7.3
	@# Pictures and sound come for another PyTorch, break the import, and tables need neither.
	.venv-peer/bin/python -m pip uninstall --quiet --yes torchvision torchaudio
	@touch $@

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	VIRTUAL_ENV="$(CURDIR)/$(VENV)" DAGSTER_HOME="$(CURDIR)" $(BIN)/dg check defs

docs: install
	$(BIN)/pytest --doctest-glob='*.md' docs README.md

bench: install
	for question in flat encoding sequential store orchestration; do $(BIN)/python benchmarks/$$question.py || exit 1; done

clean:
	rm -rf $(VENV) .venv-peer build dist *.egg-info
