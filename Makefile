# Two commands are all that a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test check validate bench docs clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## create .venv and install everything into it
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mlaround needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mpi,dev]'
	@touch $@

demo: install  ## run the demonstration campaign (ions in a slit), about 5 minutes on two cores
	$(BIN)/mlaround run campaigns/slit_density.yaml
	$(BIN)/mlaround report

test: install  ## run the tests, under 10 minutes on two cores
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not validate and not bench" tests

check: install  ## lint, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

validate: install  ## slow physics against published numbers
	$(BIN)/python -m pytest -m validate -s tests

bench: install  ## timings, beside the peers that are installed (pip install -e '.[peers]')
	$(BIN)/python tests/benchmarks/bench_slit.py
	$(BIN)/python tests/benchmarks/bench_surrogates.py
	$(BIN)/python tests/benchmarks/bench_engine.py

docs: install  ## regenerate the reference pages and the schema from the code
	$(BIN)/python -m workflow.reference

clean:  ## remove the environment and the caches, never a run
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
