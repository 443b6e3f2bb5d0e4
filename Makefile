PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS ?= --quiet --disable-pip-version-check

.PHONY: demo test test-long lint help

help:
	@echo "make demo       build the environment; index, search, ask, kill, resume, replay and repair, without a key or a server"
	@echo "make test       build the environment; lint and the tests in short mode"
	@echo "make test-long  the tests with full counts of kills, fuzz cases and loads"
	@echo "make lint       ruff and mypy --strict"

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clew needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), a few minutes the first time"
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[offline,evals,dev]'
	@touch $@

demo: $(VENV)/.ready
	@$(BIN)/python examples/demo.py

test: $(VENV)/.ready lint
	$(BIN)/python -m pytest -n auto -m "not long"

test-long: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.ready
	$(BIN)/ruff check clew tests examples benchmarks
	$(BIN)/ruff format --check clew tests examples benchmarks
	$(BIN)/mypy clew
