# Two commands do everything: `make run` (the demo) and `make test`. Both set up .venv first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint format goldens clean

run: .venv/ready
	$(BIN)/coderai demo

test: .venv/ready
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

goldens: .venv/ready
	$(BIN)/python -m coderai.config.docs
	CODERAI_GOLDENS=write $(BIN)/pytest tests/config

clean:
	rm -rf .venv

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "coderai needs Python 3.11 or newer; name one: make PYTHON=python3.12 run" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@
