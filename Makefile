# `make demo` and `make test` do all their own set-up: a virtual environment in .venv, exact versions from
# constraints.txt, torch first (an open range would pull gigabytes of CUDA).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Each takes minutes; FLAGS=--quick only tries them. Left to be run by hand: search.py --million, serve.py, heatmap.py, and
# dedup.py, which installs other tools.
BENCHMARKS := caption cold confidence decode encode exclusions generator_quality hamming index neighbours quality reading rerank rescan search
FLAGS :=

# Processes that run tests, a file at a time each, of one thread.
TESTS_AT_ONCE := 3

.PHONY: demo test tests test-lavis test-ray lint style types bench train-mini train-mini-generator clean

demo: $(VENV)/.demo-ready
	$(BIN)/imgsearch demo

# mypy takes one core for most of a minute, so it runs beside the tests; if it fails, they still go on to their end.
test: $(VENV)/.test-ready style
	$(MAKE) --no-print-directory --jobs=2 types tests

# Where compiled code is not kept, every process of the tests compiles all modules again: 12 s for pytest, over 1 s for a command.
tests: export PYTHONDONTWRITEBYTECODE :=
tests: $(VENV)/.test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder

# LAVIS itself, in a second environment: it passes the suite of the runtimes, and opens what is exported for it. Set
# LAVIS_PYTHON to use one that is there.
LAVIS_VENV := .venv-lavis
LAVIS_PYTHON ?= $(CURDIR)/$(LAVIS_VENV)/bin/python
test-lavis: $(VENV)/.test-ready
	case $(LAVIS_PYTHON) in $(CURDIR)/*) bash tests/model/lavis_env/make.sh $(LAVIS_VENV);; esac; \
	if [ ! -x $(LAVIS_PYTHON) ]; then echo "SKIPPED: salesforce-lavis cannot be installed here, so nothing was compared with it"; exit 0; fi; \
	IMGSEARCH_LAVIS_PYTHON=$(LAVIS_PYTHON) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -k lavis \
		tests/model/test_runtime_contract.py tests/model/test_lavis_itself.py

# A real Ray, on this machine and on three nodes of which one dies: 25 s to install, a minute to run. `make test` skips these.
test-ray: $(VENV)/.test-ready
	$(PIP) --editable '.[ray]'
	$(BIN)/python -m pytest tests/indexer/jobs/test_ray_engine.py tests/indexer/jobs/test_ray_plan.py

lint: style types

style: $(VENV)/.test-ready
	$(BIN)/ruff check imgsearch indexer web tests benchmarks
	$(BIN)/ruff format --check imgsearch indexer web tests benchmarks
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.test-ready
	$(BIN)/mypy

bench: $(VENV)/.test-ready
	for name in $(BENCHMARKS); do echo "== $$name" && $(BIN)/python benchmarks/$$name.py $(FLAGS) || exit 1; done

train-mini: $(VENV)/.demo-ready
	$(BIN)/imgsearch train --mini runs/mini

train-mini-generator: $(VENV)/.demo-ready
	$(BIN)/python -m imgsearch.training.generator.recipe runs/mini-generator $(FLAGS)

$(VENV)/.demo-ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "imgsearch needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[cpu,torch,watch,web]'
	touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready
	$(PIP) --editable '.[cpu,dev,torch,watch,web,raw,formats,parquet,tune,ocr,openvino,postgres,qdrant,qdrant-edge]'
	touch $@

clean:
	rm -rf $(VENV) $(LAVIS_VENV) build dist *.egg-info imgsearch-demo
