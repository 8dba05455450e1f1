# Needs nothing but Python (3.10 or newer) and make: both targets create .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test faults soak lint clean

demo: $(READY)
	$(BIN)/python -m example_project.demo

test: $(READY)
	$(BIN)/python -m pytest

# Every fault at its full length; writes docs/faults.md. ONLY=tests/faults/test_alarm.py runs a part.
faults: $(READY)
	GOSSIP_TEST_FAULTS=full $(BIN)/python -m pytest -m "not soak" $(or $(ONLY),tests/faults)

# An hour in which nothing goes wrong: every pool on both brokers, with and without the step.
soak: $(READY)
	GOSSIP_TEST_FAULTS=full $(BIN)/python -m pytest -m soak tests/faults

lint: $(READY)
	$(BIN)/python -m tox -e lint,types,imports,package

clean:
	rm -rf $(VENV) .tox build dist *.egg-info

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $(READY)
