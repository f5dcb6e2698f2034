# Tasks of the project. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
# uv shows its progress bars to a person only.
UV := $(BIN)/python -m uv pip install $(if $(MAKE_TERMOUT),,--quiet) --python $(BIN)/python
# Bytecode once, ahead: half of what a process takes to start, and some machines never keep it. The two largest are left out.
BYTECODE := $(BIN)/python -m compileall -q -j 0 -x '/(sagemaker[^/]*|pyspark)/' $(VENV)/lib src > /dev/null 2>&1 || true
# A file's tests stay together: they share one simulated account.
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint format typecheck bench lock system clean

help: ## list every task with a sentence
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(VENV)/.base ## start the simulated account, run the whole loop on it, open the dashboard (Ctrl-C stops all)
	@$(BIN)/sagekeeper demo

test: $(VENV)/.all ## run every test tier; tiers whose server or browser is absent are skipped with the reason
	@$(BIN)/python -m pytest $(SPREAD)

unit: $(VENV)/.all ## run the unit tier only: no process, no network, under a minute
	@$(BIN)/python -m pytest $(SPREAD) -m "not integration and not browser and not scale"

lint: $(VENV)/.all ## ruff, strict types, layering
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.all ## write the code in the house style
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/.all ## measure against peers and the floor; prints ratios (LINES=2000000: a smaller bill)
	@$(BIN)/python -m benchmarks $(LINES)

lock: $(VENV)/.base ## resolve pyproject.toml into the lock files
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lock

system: ## Debian packages for the browser, Postgres and Spark test tiers (needs root)
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		chromium fonts-dejavu-core postgresql default-jre-headless docker-compose > /dev/null

clean: ## remove the environment and the demo's data
	@rm -rf $(VENV) .sagekeeper .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/uv: requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sagekeeper needs Python 3.11 or newer; set PYTHON=python3.11")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Setting up the environment in $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

$(VENV)/.base: requirements.lock pyproject.toml $(BIN)/uv
	@echo "Installing the pinned packages ..."
	@$(UV) --require-hashes -r requirements.lock
	@$(UV) --no-deps --no-build-isolation -e .
	@$(BYTECODE)
	@touch $@

$(VENV)/.all: requirements-dev.lock pyproject.toml $(BIN)/uv
	@echo "Installing the pinned packages of all extras (sagemaker SDK and Spark included) ..."
	@$(UV) --require-hashes -r requirements-dev.lock
	@$(UV) --no-deps --no-build-isolation -e .
	@$(BYTECODE)
	@touch $@
