# Two commands are all that a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# One more than the two cores of the smallest machine: half of what tests do is wait for processes and pages.
JOBS   ?= 3

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test check validate chaos bench bench-gpu docs screenshots clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## create .venv and install what campaigns need into it
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mlaround needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mpi,trajectories]'
	@touch $@

install-dev: $(VENV)/.installed-dev  ## install what tests and checks need, too
$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mpi,trajectories,dev]'
	@touch $@

demo: install  ## run the demonstration campaign (ions in a slit), about 5 minutes on two cores
	$(BIN)/mlaround run campaigns/slit_density.yaml
	$(BIN)/mlaround report

test: install-dev  ## run the tests, under 10 minutes on two cores
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder -m "not validate and not bench" tests

check: install-dev  ## lint, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

validate: install-dev  ## slow physics against published numbers; writes docs/validation.md
	$(BIN)/python -m pytest -m validate -s tests/validation --findings docs/validation.md $(VALIDATE)
	$(BIN)/python -m pytest -m validate tests/slurm

chaos: install-dev  ## kill, fill, cut and shift whatever can be, half an hour long; writes docs/reliability.md
	$(BIN)/python tests/chaos/run_chaos.py --jobs $(JOBS) --page docs/reliability.md $(CHAOS)

bench: install-dev  ## timings, beside the peers that are installed (pip install -e '.[peers]')
	@for script in $(filter-out %/bench_gpu.py,$(wildcard tests/benchmarks/bench_*.py)); do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-gpu: install-dev  ## correctness and throughput on a GPU (pip install -e '.[gpu]')
	$(BIN)/python tests/benchmarks/bench_gpu.py

docs: install  ## regenerate the reference pages and the schema from the code
	$(BIN)/python -m workflow.reference

screenshots: install-dev  ## take the dashboard's pictures anew, of real runs, in some minutes
	$(BIN)/python tests/browser/screenshots.py docs/images/dashboard

clean:  ## remove the environment and the caches, never a run
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
