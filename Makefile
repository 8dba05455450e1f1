# Needs nothing but Python (3.10 or newer) and make: both targets create .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test faults lint clean

demo: $(READY)
	$(BIN)/python -m example_project.demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/python -m tox -e lint,types,imports,package

clean:
	rm -rf $(VENV) .tox build dist *.egg-info

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $(READY)
