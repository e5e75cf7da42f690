# One target, one job. `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
PORT ?= 8000

.PHONY: help demo test bench check lint types assets translations docs system clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

demo: $(VENV)/.installed ## three companies with sample data on http://127.0.0.1:8000
	@$(BIN)/dougong demo --data $(DEMO) --port $(PORT)

test: $(VENV)/.installed system check ## everything: lint, types, unit, SQLite, PostgreSQL, browser
	$(BIN)/python hatch_build.py check
	$(BIN)/python hatch_build.py
	$(BIN)/python -P -m pytest -n auto --dist worksteal

check: lint types ## style, types and architecture

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed
	$(BIN)/mypy

bench: $(VENV)/.installed ## generated application against a hand-written one
	$(BIN)/python -m benchmarks

assets: $(VENV)/.installed ## build the front end and the translations
	$(BIN)/python hatch_build.py

translations: $(VENV)/.installed ## bring the Chinese catalogue up to date
	$(BIN)/python scripts/update_translations.py

docs: $(VENV)/.installed ## write the generated reference pages
	$(BIN)/python -P scripts/build_docs.py

system: ## PostgreSQL, Chromium and a Chinese font from Debian's packages
	@./scripts/system-packages

$(VENV)/.installed: pyproject.toml hatch_build.py frontend/package-lock.json
	@echo "Installing into $(VENV): about a minute the first time"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

clean: ## forget the environment, the build and the demo
	rm -rf $(VENV) $(DEMO) frontend/node_modules platform/dougong/static/dist
