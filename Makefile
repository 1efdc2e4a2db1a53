# Everything a developer or a machine runs. `make demo` and `make test` need only Python >= 3.11, make and a compiler.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
STAMP  := $(VENV)/.synced

.PHONY: env demo test lint format types wheel bench docs clean

env: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml uv.lock | $(BIN)/python
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet uv
	UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --inexact --compile-bytecode --quiet --python $(BIN)/python
	@touch $@

demo: env
	$(BIN)/voxboard demo

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 4 -m "not perf"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The component folders live at the top of the tree; type checkers see them through a farm of links.
types: env
	rm -rf .typings && mkdir -p .typings/voxboard
	for entry in $(CURDIR)/src/voxboard/*; do ln -s $$entry .typings/voxboard/; done
	for part in backbones benchmarks poolers trials; do ln -s $(CURDIR)/$$part .typings/voxboard/$$part; done
	cd .typings && MYPYPATH=. ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache -p voxboard

wheel: env
	$(BIN)/python tests/wheel_check.py

bench: env
	$(BIN)/python -m pytest -m perf tests/perf -s -p no:cacheprovider

docs: env
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .typings build dist site .mypy_cache .ruff_cache .pytest_cache
