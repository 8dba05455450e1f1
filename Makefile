# Needs nothing but Python (3.10 or newer) and make: both targets create .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test faults soak fuzz mutants benchmarks lint clean

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

# Hostile bytes, led by what they reach: ten minutes for each target.
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	for target in decode redis amqp redis_replies amqp_frames conversation; do \
		$(BIN)/python -m tests.fuzz $$target --seconds 600 || exit 1; done

# Small mistakes in the view and the decoder, and whether a test notices; see docs/mutation.md.
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[mutation]'
	$(BIN)/python -m tests.mutation --anew

# What it costs; writes docs/benchmarks.md. ONLY=worker,fleet measures a part, QUICK=1 is shorter.
benchmarks: $(READY)
	$(BIN)/python -m benchmarks --own-brokers $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

lint: $(READY)
	$(BIN)/python -m tox -e lint,types,imports,package

clean:
	rm -rf $(VENV) .tox build dist *.egg-info

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $(READY)
