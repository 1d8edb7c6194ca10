# `make demo` and `make test` need Python (3.10 or newer) and nothing else: each sets up what it uses.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that run the tests side by side.
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# On Linux the default index serves the CUDA build. Without a GPU, and where pip has no index of its own
# configured, take the CPU build from PyTorch's own index instead. Override with TORCH_INDEX=... or TORCH_INDEX=.
HAS_GPU := $(shell command -v nvidia-smi)
OWN_INDEX := $(shell $(PYTHON) -m pip config list 2>/dev/null | grep -E 'index-url|find-links')
ifeq ($(shell uname -s)$(HAS_GPU)$(OWN_INDEX),Linux)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif
TORCH_FROM := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

.PHONY: demo test test-slow test-oldest check format benchmarks clean

demo: $(VENV)/ready  ## Pseudo-label rounds on real handwritten digits, about a minute
	$(BIN)/lit-iterative fit --config configs/pseudo_label/digits.yaml
	$(BIN)/lit-iterative report runs/digits --output runs/digits/report.html
	@echo "Rounds for language policies, a few minutes: $(BIN)/lit-iterative fit --config configs/preference/scpo_arithmetic.yaml"

test: check  ## Lint, types, all tests but the slow ones
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: $(VENV)/ready  ## The slow tests
	$(BIN)/python -m pytest -m slow

test-oldest:  ## All tests with the oldest Lightning that is supported
	$(MAKE) VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt .venv-oldest/ready
	.venv-oldest/bin/python -m pytest -n $(WORKERS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(VENV)/ready  ## Every benchmark, the quick way
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script --quick || exit 1; done

CONSTRAINTS ?= constraints.txt

$(VENV)/ready: pyproject.toml $(CONSTRAINTS)
	@echo "Setting up $(VENV); a minute or a few, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null || $(PIP) $(TORCH_FROM) $$(grep ^torch== $(CONSTRAINTS))
	$(PIP) -c $(CONSTRAINTS) -e ".[dev]"
	touch $@

clean:
	rm -rf .venv .venv-oldest runs .pytest_cache .mypy_cache .ruff_cache
