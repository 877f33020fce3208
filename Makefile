# Everything here works in a fresh clone: each target makes the set-up that it needs.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := __main__.py settings.py components docs examples handlers local policy tests tools bench

.PHONY: help setup dev preview test check format docs bench clean

help: ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/ready ## make .venv and the Lambdas' dependencies

.venv/ready: requirements.txt requirements-dev.txt $(wildcard handlers/requirements/*.txt) policy/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	$(BIN)/python -c 'from components._packaging import PLATFORMS, REQUIREMENTS, dependencies; [dependencies(name, machine) for name in REQUIREMENTS for machine in PLATFORMS]'
	touch $@

dev: setup ## run the pipeline on this machine, with a live dashboard
	$(BIN)/python -m local up $(ARGS)

preview: setup ## what the program would create
	$(BIN)/python -m local preview

# What starts whole stacks has the machine to itself; the rest shares its cores.
STACKS := tests/e2e tests/conformance tests/examples/test_running.py

test: setup ## all tests, or those of ARGS
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(STACKS:%=--ignore=%)
	$(BIN)/python -m pytest $(STACKS)
endif

check: setup ## lint, format, types and the import contract
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/basedpyright
	PYTHONPATH=.:handlers $(BIN)/lint-imports --no-logo

format: setup ## put the code into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: setup ## write docs/components.md, docs/settings.md and the schema anew
	$(BIN)/python -m docs.generate

bench: setup ## measure all and write docs/performance.md, or measure those of ARGS
	$(BIN)/python -m bench $(ARGS)

clean: ## remove what the other targets made
	rm -rf .venv .build .local .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
