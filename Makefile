# Every target sets itself up: it needs only Python (3.11 to 3.13) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
ADAPTERS := .venv-adapters
HTTP := .venv-http
RAY := .venv-ray
# Two processes of tests; those of a file stay together, and share what they have trained.
TWO := -n 2 --dist loadfile

# Puts what .venv has, cpner among it, behind the packages of another environment.
define share
$(BIN)/python -c "import sysconfig; print(f'import site; site.addsitedir({sysconfig.get_path(\"purelib\")!r})')" > \
	$$($(1)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth
endef

.PHONY: setup demo test test-slow test-all check fix hostile hostile-http bench adapters ray docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

demo: setup
	$(BIN)/cpner demo --out demo-out

test: setup
	$(BIN)/pytest $(TWO)

test-slow: setup
	$(BIN)/pytest $(TWO) -m slow

test-all: setup
	$(BIN)/pytest $(TWO) -m "" --cov --cov-report=term:skip-covered

check: setup
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy

fix: setup
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

# Long: N hostile inputs, then KILLS kills. Inputs that break a law are told with their seed.
N ?= 200000
KILLS ?= 500

hostile: setup
	$(BIN)/python -m tests.hostile.campaign --inputs $(N)
	$(BIN)/python -m tests.hostile.kills --kills $(KILLS)

# Hostile requests to a server; schemathesis has an environment of its own.
REQUESTS ?= 50000

hostile-http: setup $(HTTP)/.ready
	$(HTTP)/bin/python -m tests.hostile.http --requests $(REQUESTS)

$(HTTP)/.ready:
	$(PYTHON) -m venv $(HTTP)
	$(call share,$(HTTP))
	$(HTTP)/bin/pip install --quiet schemathesis==4.32.5
	touch $@

bench: setup $(PEERS)/.ready
	$(BIN)/cpner bench --out bench-out
	for name in domains sizes; do $(BIN)/python benchmarks/$$name.py --json bench-out/$$name.json || exit 1; done
	for name in decoding training recognition; do \
		$(BIN)/python benchmarks/$$name.py --peers $(PEERS)/bin/python --json bench-out/$$name.json || exit 1; done
	$(BIN)/python benchmarks/page.py bench-out

$(PEERS)/.ready: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement benchmarks/peers.txt
	touch $@

# `adapters` needs a transformers of its own; torch is that of .venv.
adapters: setup $(ADAPTERS)/.ready
	CPNER_ADAPTERS=$(CURDIR)/$(ADAPTERS)/bin/python $(BIN)/pytest -m "" tests/store/test_exchange.py

$(ADAPTERS)/.ready: tests/store/adapters.txt
	$(PYTHON) -m venv $(ADAPTERS)
	$(call share,$(ADAPTERS))
	$(ADAPTERS)/bin/pip install --quiet --no-deps --requirement $<
	touch $@

# Ray is large, and so are its demands; the tests that need it have an environment beside .venv.
ray: setup $(RAY)/.ready
	$(RAY)/bin/python -m pytest -m "" tests/cli/test_annotate.py tests/experiments/paper/test_grid.py \
		tests/serve/test_on_ray.py -k "cluster or replicas"

$(RAY)/.ready: constraints.txt
	$(PYTHON) -m venv $(RAY)
	$(call share,$(RAY))
	$(RAY)/bin/pip install --quiet --constraint constraints.txt "ray[serve]"
	touch $@

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(PEERS) $(ADAPTERS) $(HTTP) $(RAY) build dist demo-out bench-out
