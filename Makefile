# Needs only Python (3.10 or newer) and make: the targets create .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests that run side by side: most of their time is waiting, in the slower tiers even more. `serial` ones run alone. See
# docs/explanation/tests.md.
JOBS ?= 4
REST_JOBS ?= 6
SHORT := smoke or not (acceptance or browser or comparison or faults or fuzz or rabbitmq or slow or workload or serial)

.PHONY: demo test test-rest test-all simulation faults soak fuzz mutants workload benchmarks lint javascript clean

demo: $(READY)
	$(BIN)/python -m example_project.demo

# The short tier: no browser, no faults, of the workers a dozen smoke tests.
test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "$(SHORT)"

# All other tests.
test-rest: $(READY)
	$(BIN)/python -m pytest -n $(REST_JOBS) --dist loadgroup -m "not ($(SHORT)) and not (serial or comparison)"
	$(BIN)/python -m pytest -m "serial and not smoke"

test-all: test test-rest

# The same tests by suite, as the parallel jobs of .github/workflows/ci.yml run them. tests/typing runs in tox -e types.
.PHONY: test-unit test-integration test-acceptance test-browser test-faults
test-unit: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) -m "not serial" tests/unit tests/tui tests/incidents

test-integration: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not (serial or browser or comparison)" tests/integration tests/web

test-acceptance: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not serial" tests/acceptance tests/workload
	$(BIN)/python -m pytest -m serial tests/acceptance

test-browser: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m browser tests/web

test-faults: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not (serial or soak)" tests/faults tests/fuzz
	$(BIN)/python -m pytest -m "serial and not soak" tests/faults

# Flower and the dashboard beside each other, on the same workers: docs/explanation/beside-flower.md.
.PHONY: compare
compare: $(READY)
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(VENV)/flower -r tests/web/beside/requirements.txt
	$(BIN)/python -m pytest -m comparison tests/web/beside

# Incidents and healthy situations against the findings; writes docs/explanation/incidents.md.
.PHONY: incidents
incidents: $(READY)
	$(BIN)/python -m tests.incidents --write docs/explanation/incidents.md

# 10,000 random schedules of workers, clocks and networks against the view; the short tier has 1,500.
simulation: $(READY)
	GOSSIP_TEST_SCHEDULES=10000 $(BIN)/python -m pytest tests/unit/test_simulation.py

# All faults in full length; writes docs/explanation/faults.md. ONLY=tests/faults/test_alarm.py runs a part.
faults: $(READY)
	GOSSIP_TEST_FAULTS=full $(BIN)/python -m pytest -m "not soak" $(or $(ONLY),tests/faults)

# An hour without faults: every pool on both brokers, with and without the bootstep.
soak: $(READY)
	GOSSIP_TEST_FAULTS=full $(BIN)/python -m pytest -m soak tests/faults

# Coverage-guided fuzzing: ten minutes for each target.
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	for target in decode redis amqp redis_replies amqp_frames conversation; do \
		$(BIN)/python -m tests.fuzz $$target --seconds 600 || exit 1; done

# Mutation tests of the view and the decoder; see docs/explanation/mutation.md.
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[mutation]'
	$(BIN)/python -m tests.mutation --all

# 50 random workloads in every pool on both brokers, about 35 minutes; writes docs/explanation/workload.md. SEEDS=5 runs fewer.
workload: $(READY)
	$(BIN)/python -m tests.workload --seeds $(or $(SEEDS),50) --jobs $(or $(JOBS),2) --write docs/explanation/workload.md

# Benchmarks; writes docs/explanation/benchmarks.md. ONLY=worker,fleet measures a part, QUICK=1 is shorter.
benchmarks: $(READY)
	$(BIN)/python -m benchmarks --own-brokers $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

# The documentation site: docs/_build/html/index.html. Builds without a network; a warning or a broken link is an error.
.PHONY: docs
docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -n -E -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

lint: $(READY)
	$(BIN)/python -m pip install --quiet tox
	$(BIN)/python -m tox -e lint,types,imports,package,javascript,docs

# Types, lint and tests of the page's JavaScript; needs Node.js 20 or newer.
javascript:
	.ci/javascript

# sdist and wheel, with the time of the commit: whoever builds it gets the same bytes.
.PHONY: dist release
dist: $(READY)
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist
	$(BIN)/python build_hook/verify.py
	SOURCE_DATE_EPOCH=$$(git show -s --format=%ct HEAD) $(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

# Check, test, build and tag VERSION=1.2.3; publishes nothing. See docs/explanation/releasing.md.
release: $(READY)
	$(BIN)/python tools/release.py $(or $(VERSION),$(error usage: make release VERSION=1.2.3))

clean:
	rm -rf $(VENV) .tox build dist docs/_build *.egg-info

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	$(BIN)/python -m pip install --quiet --no-deps celery-batches  # its pin excludes Celery 5.7, although it works with it
	touch $(READY)
