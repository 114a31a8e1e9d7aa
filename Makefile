# Every target explains itself: `make help`.
PYTHON ?= python3
BIN := .venv/bin
RUSHES := $(BIN)/rushes
STATE ?= state

# Every process would compile all that it imports again, which costs more than most commands.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

announce:
	@$(PYTHON) deploy/announce.py

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "rushes needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing pinned dependencies into .venv (once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install -q --python $(BIN)/python --only-binary :all: --no-binary rushes -c constraints.txt -e '.[dev,docs]'
	@touch $@

install: announce .venv/.installed ## create .venv with the pinned dependencies

demo: announce .venv/.installed ## from a fresh clone to a search result, in one process, no services
	@$(RUSHES) --state $(STATE) demo

demo-kafka: announce .venv/.installed ## the same through a local Kafka, with a process for each stage
	@$(RUSHES) --state $(STATE)/kafka-demo demo --kafka

demo-ads: announce .venv/.installed ## a campaign of 24 films from one template, with manifests and a contact sheet
	@mkdir -p $(STATE)/ads && cp -R docs/examples/ads/. $(STATE)/ads/
	@$(RUSHES) weights fetch terrain-consistency
	@$(BIN)/python $(STATE)/ads/draw_assets.py
	@$(RUSHES) --state $(STATE)/ads/state jobs submit $(STATE)/ads/template.yaml --deliver-to $(STATE)/ads/finals
	@$(RUSHES) --state $(STATE)/ads/state jobs open nova-watch --html $(STATE)/ads/contact-sheet.html

demo-ads-kafka: announce .venv/.installed ## the same campaign on a Kafka of its own, with a renderer that is killed on the way
	@mkdir -p $(STATE)/ads-kafka && cp -R docs/examples/ads/. $(STATE)/ads-kafka/
	@$(RUSHES) weights fetch terrain-consistency
	@$(BIN)/python $(STATE)/ads-kafka/draw_assets.py
	@$(BIN)/python -m deploy.demo_ads_kafka $(STATE)/ads-kafka

serve: .venv/.installed ## a page and an API to search in, over the demo's data, on this machine alone
	@$(RUSHES) --state $(STATE) serve

assets: .venv/.installed ## fetch weights, sample clips, Kafka's jars, promtool, AsyncAPI's schema, a browser, players of the web, an emulator of Azure and clients of the examples
	@$(RUSHES) weights fetch
	@$(RUSHES) samples fetch
	-@$(RUSHES) kafka fetch
	-@$(BIN)/python -m deploy.promtool
	-@$(BIN)/python -m deploy.asyncapi_schema
	-@$(BIN)/python -m deploy.browser
	-@$(BIN)/python -m deploy.players
	-@$(BIN)/python -m deploy.azurite
	-@$(BIN)/python -m deploy.example_clients
	-@$(BIN)/python -m deploy.service_client

test: announce .venv/.installed assets ## the tests, but for the long ones
	$(BIN)/pytest

test-quick: .venv/.installed ## what to run while you work: no Kafka, no weights, no network, two minutes
	$(BIN)/pytest -m 'not (kafka or weights or corpus or gpu or slow or long)'

test-long: .venv/.installed assets ## what takes minutes more, such as shots over the whole montage at other rates
	$(BIN)/pytest -m long

lint: .venv/.installed ## ruff, mypy --strict and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit-dependencies: .venv/.installed ## what is known of the pinned dependencies' vulnerabilities (asks pypi.org, else osv.dev)
	$(BIN)/python -m deploy.audit_dependencies

ci: lint audit-dependencies test ## what the gate runs

bench: .venv/.installed assets ## print and write the figures under benchmarks/results
	$(BIN)/python -m benchmarks.run

soak: .venv/.installed assets ## kill -9 a real ingest over and over; nothing may be lost or doubled
	$(BIN)/python -m benchmarks.soak

chaos: .venv/.installed assets ## kills, broker restarts, full disks on a real Kafka; nothing may be lost or doubled
	$(BIN)/python -m benchmarks.chaos

chaos-jobs: .venv/.installed assets ## jobs under 50 kills, broker restarts, a full disk, a store that refuses: every byte as undisturbed
	$(BIN)/pytest -n 0 -m long tests/integration/test_kafka_job_kills.py

bench-long: .venv/.installed assets ## memory over an hour of 1080p beside five minutes
	$(BIN)/python -m benchmarks.memory_growth

bench-stores: .venv/.installed ## both sinks filled to 300,000 cells: what a cell costs at any size (20 minutes, 5 GB)
	$(BIN)/python -m benchmarks.stores

bench-kafka: .venv/.installed assets ## worker, replicas, fairness, backpressure and topology on a real Kafka (an hour)
	$(BIN)/python -m benchmarks.run --kafka

bench-autoscale: .venv/.installed ## a simulated day: our scaling rule, KEDA's offset lag, and an oracle
	$(BIN)/python -m benchmarks.autoscale_simulation

bench-search-speed: .venv/.installed ## how long a search takes over a million moments, and whether it finds what is nearest
	$(BIN)/python -m benchmarks.search_speed

bench-peers: .venv/.installed assets ## the same footage through a plain script, Daft, Ray Data and rushes
	$(BIN)/python -m benchmarks.peers.run

bench-burst: .venv/.installed assets ## 50 clips at once, alone and beside a film of two hours (8 minutes, 4 GB)
	$(BIN)/python -m benchmarks.clips_beside_film

bench-service: .venv/.installed ## what HTTP, rights and audit add to a search, and 200 people searching at once
	$(BIN)/python -m benchmarks.service_speed

bench-shots: .venv/.installed assets ## what looking where something can be saves of the shot network, and loses (20 minutes)
	$(BIN)/python -m benchmarks.shot_windows

bench-shot-peers: .venv/.installed assets ## cuts beside PySceneDetect: CPU, wall and how many are right (10 minutes)
	$(BIN)/python -m benchmarks.shot_peers

bench-transcode: .venv/.installed ## what transcoding in parts costs beside one bare encode, and what a second worker gains
	$(BIN)/python -m benchmarks.transcode_parts

bench-campaign: .venv/.installed ## what a campaign costs beside a bare script and a shell loop over the same variants (5 minutes on a quiet machine)
	$(BIN)/python -m benchmarks.campaign_cost

bench-jobs: .venv/.installed ## what the coordinator costs for a job of 10,000 variants (10 minutes)
	$(BIN)/python -m benchmarks.job_scale

bench-page: .venv/.installed ## how soon results are seen in a browser, and ten thousand hits that scroll (3 minutes)
	$(BIN)/python -m benchmarks.page_speed

bench-relevance: .venv/.installed assets ## does search find what was asked for, and say so where nothing is there
	$(BIN)/python -m benchmarks.relevance

docs: .venv/.installed ## regenerate the diagram and tables inside the documents
	$(BIN)/python -m deploy.generate_docs

capacity: .venv/.installed ## what so many videos a day take, with your own assumptions: WITH="--videos 50000 --core-hour 0.03"
	@$(BIN)/python -m deploy.capacity $(WITH)

docs-site: .venv/.installed ## build the documentation site into build/site; a dead link or a missing page fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-serve: .venv/.installed ## serve the documentation site on http://127.0.0.1:8000 and rebuild it on changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --strict

clean: ## remove the environment, caches and the demo's state
	rm -rf .venv state build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: audit-dependencies help announce install demo demo-kafka serve assets test test-quick test-long lint ci bench soak chaos chaos-jobs bench-long bench-peers bench-burst bench-search-speed bench-kafka bench-stores bench-autoscale bench-relevance bench-service bench-campaign bench-jobs bench-page bench-transcode bench-shots bench-shot-peers docs capacity docs-site docs-serve clean demo-ads demo-ads-kafka
