# make demo    install and run the street's blackout
# make test    install and run all tests (make check: the fast ones, with lint and types)
# make bench   install and run the benchmarks (rivals in the same run)
# make picture draw the README's picture anew
# make wire    write the radio frames' code and tables anew from their schema

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
MADE_FROM := pyproject.toml constraints.txt

.PHONY: demo install broker test check lint bench picture faults wire extract clean

demo: install
	$(BIN)/feedertwin run scenarios/street_island/scenario.yaml

install: $(VENV)/.installed
$(VENV)/.installed: $(MADE_FROM)
	@$(PYTHON) -c 'import sys; sys.exit("feedertwin needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: $(MADE_FROM) $(VENV)/.installed
	$(PIP) -e '.[test]'
	touch $@

$(VENV)/.installed-bench: $(MADE_FROM) $(VENV)/.installed
	$(PIP) -e '.[test,bench]'
	touch $@

broker:
	@sh scripts/install_mosquitto.sh || echo "no Mosquitto: tests of the mqtt bodies are skipped"

test: $(VENV)/.installed-test broker
	$(BIN)/pytest

check: lint
	$(BIN)/pytest -m 'not slow'

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

picture: install
	$(BIN)/python scripts/draw_readme_picture.py

faults: $(VENV)/.installed-test
	$(BIN)/python scripts/fault_table.py

wire: $(VENV)/.installed-test
	$(BIN)/python scripts/generate_wire.py

extract: install
	$(PIP) -e '.[simbench]'
	$(BIN)/python scripts/extract_simbench.py

clean:
	rm -rf $(VENV) build dist *.egg-info
