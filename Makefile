# One line per habit. Everything is installed into .venv from requirements.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests start hundreds of processes from the same sources, and pytest rewrites each test: both are kept for the next.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env bench server test whole infra-test check format docs lock proofs smoke-aws benchmarks clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

env: $(STAMP) ## create the environment

$(STAMP): requirements.lock pyproject.toml
	@echo "creating $(VENV) (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "auroral needs Python 3.11 or later, this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

bench: $(STAMP) ## run a one-minute benchmark against a local Temporal server
	@$(BIN)/auroral bench run --workload simple --target-rate 10 --duration 1m --ramp-up 5s

server: $(STAMP) ## build the server's programs (about five minutes the first time)
	@$(BIN)/python -m auroral.local.binaries

test: $(STAMP) check ## run every fast test
	@$(BIN)/python -m tests.needs
	@$(BIN)/python -m pytest -m 'not whole and not slow' -n 2 --dist loadgroup
	@echo "not run here: whole clusters, platforms and suites (make whole), and what takes longer still (make proofs)"

whole: $(STAMP) ## run the tests of whole clusters, platforms and suites (about ten minutes; CI runs them too)
	@$(BIN)/python -m tests.needs
	@$(BIN)/python -m pytest -m 'whole and not slow' -n 2 --dist loadgroup

check: $(STAMP) ## formatting, types, import contracts
	@$(BIN)/ruff format --check --no-cache --quiet . || (echo "run: make format"; exit 1)
	@$(BIN)/ruff check --no-cache --quiet .
	@$(BIN)/mypy
	@mkdir -p .cache && $(BIN)/lint-imports > .cache/lint-imports.log 2>&1 || (cat .cache/lint-imports.log; exit 1)

format: $(STAMP) ## format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

docs: $(STAMP) ## generate the references
	@$(BIN)/python -m tests.generate
	@cd server && GOTOOLCHAIN=auto go run ./cmd/auroral-server variables > ../docs/reference/server-environment.md
	@cd server && GOTOOLCHAIN=auto go test ./internal/telemetry -run Reference -update > /dev/null

infra-test: $(STAMP) ## Terraform alone: every rule on mocks, the whole platform on an emulated AWS, checkov
	@$(BIN)/python -m tests.needs
	@$(BIN)/python -m pytest tests/infra

proofs: $(STAMP) ## the long proofs (about an hour and a half)
	@$(BIN)/python -m tests.needs proofs
	@$(BIN)/python -m pytest -m slow

smoke-aws: $(STAMP) ## build, measure and remove the dev profile in a real AWS account (costs money: SMOKE="--region … --cap 25")
	@$(BIN)/auroral infra smoke-aws $(SMOKE)

benchmarks: $(STAMP) ## performance of auroral itself
	@$(BIN)/python -m benchmarks

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra local --extra aws --extra dashboards --group dev pyproject.toml -o requirements.lock
	$(MAKE) env && $(BIN)/python images/benchmark/lock.py

clean: ## remove the environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
