# GNU make 3.81 or newer and a POSIX shell. tools/env.sh makes or reuses the Python environment.

PYTHON ?=
VENV ?= .venv
PIP_ARGS ?=
ARGS ?=
export PYTHON VENV PIP_ARGS

BASE = python=$$(sh tools/env.sh base) && "$$python"
DEV = python=$$(sh tools/env.sh dev) && "$$python"

.DEFAULT_GOAL := help
.PHONY: help quickstart test bench lint env clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'All set-up is part of quickstart, test and lint. An active environment is used as it is;'
	@echo 'otherwise .venv is made. Variables:'
	@echo '  ARGS="..."      more arguments for the command, as in make test ARGS="-k prompt -x"'
	@echo '  PYTHON=...      the Python (3.10 or newer) that makes .venv'
	@echo '  VENV=...        another place than .venv'
	@echo '  PIP_ARGS="..."  more arguments for pip, as for wheels without CUDA, which are far smaller:'
	@echo '    PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple"'

quickstart: ## Train and test on synthetic tissue, from a bare clone to a table of results
	@$(BASE) tools/quickstart.py $(ARGS)

test: ## Run the tests
	@$(DEV) -m pytest tests $(ARGS)

bench: ## Measure speed, each benchmark in turn (an hour on two cores; ARGS=--quick: minutes)
	@$(DEV) tools/bench/speed/all.py $(ARGS)

lint: ## Check style (ruff) and types (mypy)
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .
	@$(DEV) -m mypy

env: ## Only make or update the environment, and print its Python
	@sh tools/env.sh dev

clean: ## Remove build outputs and caches
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find cite configs tests tools -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## Also remove .venv
	rm -rf .venv
