# Everything runs in a virtual environment of its own; make sets it up.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 5000
TESTS ?= tests
EXAMPLES ?= 100000

# The tests start many servers, which start sooner when Python keeps what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run check test test-slow lint docs fuzz bench bench-convert bench-quality bench-slow bench-radio bench-locked bench-sandbox bench-streaming bench-frames clean

run: $(STAMP)
	$(BIN)/python main.py --port $(PORT)

# Before each commit: linters, types and unit tests, in less than a minute.
check: lint
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -p no:schemathesis $(TESTS)/unit

# In the order of tests/conftest.py: else xdist would begin with the files of most tests.
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

# What `make test` leaves out: every filter of every ffmpeg here, every exploit unprotected; and
# hundreds of odd sources through each tool, in a quarter of an hour on two cores.
SOURCES := $(TESTS)/integration/test_oddities.py $(wildcard $(TESTS)/integration/test_cases_*.py)

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --timeout 600 $(TESTS) $(SOURCES:%=--ignore=%)
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal $(SOURCES)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The reference in docs/reference, from the code.
docs: $(STAMP)
	$(BIN)/python docs/generate.py

fuzz: $(STAMP)
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n 2 $(TESTS)/fuzz

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

bench-convert: $(STAMP)
	$(BIN)/python benchmarks/conversion.py

bench-quality: $(STAMP)
	$(BIN)/python benchmarks/quality.py --write

bench-slow: $(STAMP)
	$(BIN)/python benchmarks/slow_clients.py

bench-radio: $(STAMP)
	$(BIN)/python benchmarks/radio.py

bench-locked: $(STAMP)
	$(BIN)/python benchmarks/locked_database.py

bench-sandbox: $(STAMP)
	$(BIN)/python benchmarks/sandbox.py

bench-frames: $(STAMP)
	$(BIN)/python benchmarks/frames.py

# A slow line takes its time: 20 minutes.
bench-streaming: $(STAMP)
	$(BIN)/python benchmarks/streaming.py

clean:
	rm -rf $(VENV) build src/*.egg-info

$(STAMP): pyproject.toml requirements.txt setup.py $(wildcard src/gmapi/computercraft/native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[test]"
	touch $@
