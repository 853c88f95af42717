# The commands of the course; `make` lists them.
#
# Everything runs in .venv, which bootstrap.py makes on first use. GNU make 3.81 is enough.

PYTHON ?= python3
TORCH_INDEX ?=
N ?=
B ?=
REPO ?=
BRANCH ?= main
HUB ?=
SITE ?=
ARGS ?=

ifeq ($(OS),Windows_NT)
PY := .venv/Scripts/python.exe
THEIRS := $(if $(JUPYTER_CONFIG_PATH),;$(JUPYTER_CONFIG_PATH))
else
PY := .venv/bin/python
THEIRS := $(if $(JUPYTER_CONFIG_PATH),:$(JUPYTER_CONFIG_PATH))
endif
READY := .venv/.ready

# Two workers of one thread each: threads that wait for each other would take turns with the other
# worker's. What stands in one file, a notebook's cells say, stays together on one worker.
WORKERS ?= 2
AT_ONCE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# No test takes long; one that hangs is to end, and to say where it hung.
LIMIT := --timeout=1200
PYTEST := $(PY) -m pytest -p no:nbval $(AT_ONCE) $(LIMIT)
NBVAL := $(PY) -m pytest $(AT_ONCE) $(LIMIT) --nbval --nbval-current-env \
    --nbval-cell-timeout=600 notebooks
test test-fast test-digits test-publish coverage faults: export OMP_NUM_THREADS ?= 1
UNITS := "not grading and not colab and not publish"
# Some machines have Python compile every module anew in every process: seconds in each.
test test-fast test-digits test-grading test-publish coverage: export PYTHONDONTWRITEBYTECODE :=

# The environment's own python3 kernel wins over one that the user has installed.
export JUPYTER_PREFER_ENV_PATH := 1
export TORCH_INDEX

.DEFAULT_GOAL := help
.PHONY: help lab test test-fast test-digits test-grading test-publish coverage faults notebooks student links links-off site slides release checkpoints wheel bench lint format clean distclean

help: ## list these commands
	@echo "usage: make COMMAND [VARIABLE=value ...]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
	    while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done
	@echo
	@echo "variables"
	@echo "  PYTHON       the Python to make .venv with, 3.11 or newer (now: $(PYTHON))"
	@echo "  TORCH_INDEX  address of PyTorch's CPU-only package index, see the PyTorch installation"
	@echo "               page: a third of the disk space, no CUDA (read when .venv is made)"
	@echo "  N            notebooks, slides: only this one, as in N=05 or N=start_here; faults: how many"
	@echo "  B            bench: the experiment to run, as in B=NAME"
	@echo "  REPO         links: where the course is published, owner/name on GitHub; none: no links"
	@echo "  BRANCH       links: the branch that readers get (now: $(BRANCH))"
	@echo "  HUB, SITE    links: addresses of a JupyterHub with nbgitpuller, of the published site"
	@echo "  WORKERS      how many tests run at once (now: $(WORKERS))"
	@echo "  ARGS         passed on to the program behind lab, the tests, faults, notebooks or bench"

# No question about news, no panels of nbgrader: tools/lab says so, before the reader's own files.
lab: export JUPYTER_CONFIG_PATH := $(CURDIR)/tools/lab$(THEIRS)
lab: $(READY) ## open JupyterLab on the course's first notebook
	$(PY) -m jupyterlab --ServerApp.root_dir=. \
	    --LabApp.default_url=/lab/tree/notebooks/start_here.ipynb \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

test: $(READY) lint ## lint, unit tests, then every notebook against its stored outputs
	$(PYTEST) tests -m $(UNITS)
	$(NBVAL)

test-fast: $(READY) ## the unit tests that take about a minute
	$(PYTEST) tests -m "not slow and not browser and not grading and not colab and not publish" \
	    $(ARGS)

test-digits: $(READY) ## what depends on the digits, once more with drawn ones
	COURSE_DIGITS=strokes COURSE_DATA= $(PYTEST) tests -m "digits" $(ARGS)
	COURSE_DIGITS=strokes COURSE_DATA= $(NBVAL)

test-grading: $(READY) ## let the real nbgrader release, grade and send back homework
	$(PY) -m pytest tests -m grading $(ARGS)

test-publish: $(READY) ## before publishing: Colab, a compiler, the site and its audit, the slides, trials of bench
	$(PYTEST) tests -m "colab or publish" $(ARGS)

coverage: $(READY) ## which lines of the package no unit test reaches; takes half as long again
	$(PYTEST) tests --cov --cov-report=term -m $(UNITS) $(ARGS)

faults: $(READY) ## plant N faults in the package, one at a time: do the tests catch them?
	$(PYTEST) tests --cov=course_utils --cov=tools --cov-context=test --cov-report= \
	    --cov-fail-under=0 -m $(UNITS)
	$(PY) -m tools.faults --list $(or $(N),84) --out data/cache/faults_list.json
	$(PY) -m tools.faults --run data/cache/faults_list.json --thorough \
	    --out data/cache/faults.json $(ARGS)

notebooks: $(READY) ## execute every notebook in order on the CPU and store the outputs (N=05: one)
	$(PY) -m tools.execute_notebooks $(N) $(ARGS)
	$(PY) -m tools.start_picture

student: $(READY) ## write the student editions of all notebooks to notebooks/student/
	$(PY) -m tools.student_editions tag
	$(PY) -m tools.student_editions student

links: $(READY) ## stamp REPO=owner/name (BRANCH, HUB, SITE) into README and notebooks
	$(PY) -m tools.links --repo "$(REPO)" --branch "$(BRANCH)" --hub "$(HUB)" --site "$(SITE)"

links-off: $(READY) ## take the links out again
	$(PY) -m tools.links --off

site: $(READY) ## build the course as a site, without a network to read it: site/index.html
	$(PY) -m tools.site

slides: $(READY) ## make a deck of each notebook (N=05: one), without a network: slides/index.html
	$(PY) -m tools.slides $(N)

release: $(READY) ## pack wheel, student bundle, slides and site of the last commit: dist/*.tar.gz
	$(PY) -m tools.release

checkpoints: $(READY) ## train the models that travel with the package, on real MNIST
	$(PY) tests/benchmarks/make_checkpoints.py

wheel: $(READY) ## build dist/*.whl, for Colab and for machines without the checkout
	rm -rf build dist
	$(PY) -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build

bench: $(READY) ## list the experiments, or run one (B=NAME)
ifeq ($(B),)
	@find tests/benchmarks -maxdepth 1 -name '[a-z]*.py' -exec basename {} .py ';' | sort
else
	$(PY) tests/benchmarks/$(B).py $(ARGS)
endif

lint: $(READY) ## check code and notebooks with ruff
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(READY) ## let ruff mend what it can, and lay out the code
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## remove build products, reports and caches
	rm -rf build dist site slides *.egg-info .pytest_cache .ruff_cache .coverage htmlcov
	find course_utils tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	    -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv and everything in data/cache too
	rm -rf .venv data/cache

# Looks every time, a fraction of a second: a checkout may have been moved, a Python removed.
$(READY): always
	@if command -v $(PYTHON) > /dev/null; then $(PYTHON) bootstrap.py; \
	elif $(PY) -c "" 2> /dev/null; then $(PY) bootstrap.py; \
	else echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name one, as in 'make lab PYTHON=python3.12'." >&2; exit 1; fi
always:
