# `make` lists the targets. Two are all one needs: `make demo` and `make test`.
VENV ?= .venv
PYTHON ?= python3
export PYTHON
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit lint format schema lint-docs servers asyncapi-schema test-music verify bench bench-worker bench-memory bench-ws bench-topology bench-migration bench-analysis bench-tracklist test-autobahn fuzz instruments lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.base ## Run it all on generated audio: MUSIC=DIR LIMIT=N DEMO_EXIT=1 API_PORT=N
	@$(RUN) -m ops.demo $(if $(MUSIC),--music "$(MUSIC)") $(if $(LIMIT),--limit $(LIMIT)) $(if $(filter 1,$(DEMO_EXIT)),--exit)

test: $(VENV)/.dev servers asyncapi-schema lint ## Run all tests, on private servers; PYTEST_ARGS="-k name" for some
	@$(RUN) -m pytest $(PYTEST_ARGS)

test-unit: $(VENV)/.dev ## Run the tests that need nothing running
	@$(RUN) -m pytest tests/unit --numprocesses auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.dev ## Check layers, types, style, and the topology
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo >/dev/null || $(VENV)/bin/lint-imports
	@$(VENV)/bin/pipeline lint --quiet

format: $(VENV)/.dev ## Format the code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

schema: $(VENV)/.dev ## Renew topology.schema.json, which editors complete topology.yaml with
	@$(VENV)/bin/pipeline schema topology --out topology.schema.json

lint-docs: $(VENV)/.base ## Renew docs/lint.md, which explains what lint says
	@$(VENV)/bin/pipeline lint --explain all > docs/lint.md

servers: ## Install RabbitMQ, Redis, Chromium, cuetools and npm where they are missing
	@ops/install/servers.sh

asyncapi-schema: servers
	@ops/install/asyncapi.sh

test-music: $(VENV)/.base ## Run the pipeline on the music in two Debian packages; MUSIC=DIR on one's own
	@$(RUN) -m ops.music $(if $(MUSIC),--music "$(MUSIC)")

test-autobahn: $(VENV)/.base ## Run the Autobahn test suite's server cases (needs Python 2.7)
	@$(RUN) -m ops.autobahn $(if $(CASES),--cases $(CASES))

fuzz: $(VENV)/.fuzz ## Give parsers what a fuzzer finds, SECONDS=60 each (Linux)
	@$(RUN) -m ops.fuzz --seconds $(or $(SECONDS),60)

verify: $(VENV)/.base servers ## Break things for some ten minutes, and count what was lost, done twice or stuck; SEED=N
	@$(VENV)/bin/pipeline verify --scenario all --minutes $(or $(MINUTES),3) $(if $(SEED),--seed $(SEED))

bench: bench-worker bench-memory bench-ws bench-topology bench-migration bench-analysis bench-tracklist ## Run all benchmarks

bench-worker: $(VENV)/.bench servers ## Measure a worker beside aio-pika by hand, FastStream and Dramatiq
	@$(RUN) -m ops.bench.worker $(if $(OUT),--out "$(OUT)") $(if $(PLOT),--plot "$(PLOT)")

bench-memory: $(VENV)/.base servers ## Measure the memory of a worker while a million messages pass through it
	@$(RUN) -m ops.bench.memory $(if $(OUT),--out "$(OUT)")

bench-ws: $(VENV)/.base servers ## Measure events to 1,000 and 5,000 WebSockets, storms of them, stalled ones, and churn
	@$(RUN) -m ops.bench.websocket $(if $(OUT),--out "$(OUT)")

bench-topology: $(VENV)/.base servers ## Measure lint, plan and apply of large topologies, beside RabbitMQ's own import
	@$(RUN) -m ops.bench.topology

bench-migration: $(VENV)/.base servers ## Measure how fast a queue with messages is made anew, beside RabbitMQ's shovel
	@$(RUN) -m ops.bench.migration

bench-analysis: $(VENV)/.bench instruments ## Measure speed and accuracy of the analysis, beside librosa
	@$(RUN) -m ops.bench.analysis

bench-tracklist: $(VENV)/.base instruments ## Measure how many boundaries of mixes are found, how fast, in what memory
	@$(RUN) -m ops.bench.tracklist

instruments:
	@ops/install/instruments.sh

lock: ## Renew requirements/*.txt (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements/base.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --group dev -o requirements/dev.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --group bench -c requirements/dev.txt -o requirements/bench.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --group fuzz -c requirements/dev.txt -o requirements/fuzz.txt
	printf 'hatchling\neditables\n' | uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 - -o requirements/build.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) .demo build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.base: requirements/base.txt requirements/build.txt pyproject.toml
	@ops/install/environment.sh $(VENV) requirements/base.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/build.txt pyproject.toml
	@ops/install/environment.sh $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.base

$(VENV)/.bench: requirements/bench.txt requirements/build.txt pyproject.toml
	@ops/install/environment.sh $(VENV) requirements/bench.txt
	@touch $@ $(VENV)/.base

$(VENV)/.fuzz: requirements/fuzz.txt requirements/build.txt pyproject.toml
	@ops/install/environment.sh $(VENV) requirements/fuzz.txt
	@touch $@ $(VENV)/.base
