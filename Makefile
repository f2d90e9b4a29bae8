# Two commands do everything: `make run` (the demo) and `make test`. Both set up .venv first.

# The distribution's own, where it will do: built with profile-guided optimization, it is a twentieth faster than what
# pyenv compiles.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
BIN := .venv/bin

.PHONY: python run test test-clients test-faults bench fuzz lint format goldens clean

run: .venv/ready
	$(BIN)/coderai demo

test: .venv/ready
	$(BIN)/pytest

test-clients: .venv/ready .clients/ready
	$(BIN)/pytest -m clients tests/clients

# Processes killed, disks full, databases frozen, under load: some minutes.
test-faults: .venv/ready
	$(BIN)/pytest -m faults

# Measures the parts, into docs/PERFORMANCE.md; side by side with others, too, with COMPARE=path/to/compare.py
bench: .venv/ready
	PYTHONPATH=. $(BIN)/python -m bench.performance $(if $(COMPARE),--compare $(COMPARE)) $(BENCH)

# Coverage-guided, beside the fuzzing that `make test` does; as long as you like: make fuzz SECONDS=600
SECONDS ?= 60
fuzz: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check atheris
	PYTHONPATH=. $(BIN)/python -m tests.fuzz.fuzz_taps -max_total_time=$(SECONDS) -max_len=4096 -timeout=10

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

# Which one it is
python:
	@echo $(PYTHON)

clean:
	rm -rf .venv .clients

# The real coding tools, in the versions that the tests know: a gigabyte from the npm registry.
.clients/ready:
	@command -v npm >/dev/null || { echo "make test-clients needs Node.js and npm (Debian: apt-get install nodejs npm)" >&2; exit 1; }
	npm install --no-fund --no-audit --prefix .clients @anthropic-ai/claude-code@2.1.197 @openai/codex@0.169.0 opencode-ai@1.18.33
	touch $@

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "coderai needs Python 3.11 or newer; name one: make PYTHON=python3.12 run" >&2; exit 1; }
	@test ! -L .venv || { echo ".venv is a link: run make where it leads to, or remove it" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@
