SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
MEMBERS := libs/schemas libs/layout libs/imaging libs/runtime libs/sandbox libs/client services/ingest services/ocr-worker services/recorder deploy/local
EDITABLE := $(addprefix -e ,$(MEMBERS))
PUBLISHED := $(filter-out deploy/local,$(MEMBERS))
WORKERS ?= 2
ENGINE ?= rapidocr
DASHBOARD := services/recorder/dashboard
# Runs a command in the dashboard's folder, with Node on the PATH.
NODE := $(DASHBOARD)/with-node.sh

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

# ---- install -------------------------------------------------------------------------------------

.venv/uv.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	@echo "Making .venv with uv in it (20 MB, a few seconds)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/runtime.stamp: .venv/uv.stamp requirements/build.txt requirements/runtime.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "Installing the services into .venv (about 250 MB, under a minute with a warm network)"
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

.venv/release.stamp: .venv/uv.stamp requirements/build.txt requirements/release.txt
	@echo "Installing what builds and checks wheels into .venv (a few seconds)"
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements/build.txt -r requirements/release.txt
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp .venv/release.stamp requirements/dev.txt
	@echo "Installing what checks and tests need into .venv (about 150 MB, under a minute)"
	@$(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: install
install: .venv/runtime.stamp try-dashboard ## Install the services and the ocrstream command into .venv

.PHONY: dev
dev: .venv/dev.stamp ## Install what development needs, too

.venv-doctr/doctr.stamp: .venv/dev.stamp requirements/image-worker-gpu.txt
	@echo "Installing docTR and torch into .venv-doctr (about 6 GB, some minutes)"
	@test -x .venv-doctr/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-doctr
	@$(UV_DOCTR) --require-hashes -r requirements/build.txt --override requirements/overrides.txt -r requirements/runtime.txt -r requirements/dev.txt -r requirements/image-worker-gpu.txt
	@$(UV_DOCTR) --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

UV_DOCTR := $(BIN)/uv pip install --quiet --python .venv-doctr/bin/python

# npm empties node_modules first, so each of these is gone when the other is made.
$(DASHBOARD)/node_modules/build.stamp: $(DASHBOARD)/package-lock.json $(DASHBOARD)/.npmrc | .venv/uv.stamp
	@echo "Installing what builds the dashboard (200 MB, some seconds)"
	@$(NODE) npm ci --loglevel error --omit=dev
	@touch $@

$(DASHBOARD)/node_modules/dev.stamp: $(DASHBOARD)/package-lock.json $(DASHBOARD)/.npmrc | .venv/uv.stamp
	@echo "Installing what checks the dashboard, too (360 MB, some seconds)"
	@$(NODE) npm ci --loglevel error
	@touch $(DASHBOARD)/node_modules/build.stamp $@

DASHBOARD_BUILT := services/recorder/src/ocrstream_recorder/dashboard/index.html
DASHBOARD_SOURCES := $(shell find $(DASHBOARD)/src $(DASHBOARD)/public -type f) $(addprefix $(DASHBOARD)/,index.html vite.config.ts budget.ts tsconfig.json)

$(DASHBOARD_BUILT): $(DASHBOARD_SOURCES) $(DASHBOARD)/node_modules/build.stamp
	@echo "Building the dashboard"
	@$(NODE) npm run --silent build -- --logLevel warn
	@touch $@

.PHONY: dashboard
dashboard: $(DASHBOARD_BUILT) ## Build the dashboard, which the recorder serves

# The rest is of use without it, so a registry that does not answer stops nothing.
.PHONY: try-dashboard
try-dashboard: .venv/uv.stamp
	@$(MAKE) --no-print-directory $(DASHBOARD_BUILT) || echo "The dashboard could not be built and is left out; the reason is above, and 'make dashboard' tries again"

.PHONY: system-packages
system-packages: ## Install Tesseract with Korean, Chromium and fonts for tests, with apt-get, as root
	apt-get update -q
	apt-get install -q -y --no-install-recommends $(shell grep -v '^\#' requirements/apt.txt)

LOCK := uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"
NO_MEMBERS := $(foreach n,schemas layout imaging runtime sandbox client ingest worker recorder local,--no-emit-package ocrstream-$(n))
PYPROJECTS := $(addsuffix /pyproject.toml,$(MEMBERS))
# What an image holds: the part of runtime.txt that its service needs, in the same versions.
IMAGE_LOCK := $(LOCK) -c requirements/runtime.txt --override requirements/overrides.txt $(NO_MEMBERS)

.PHONY: lock
lock: .venv/uv.stamp ## Resolve the dependencies again into requirements/*.txt
	$(BIN)/$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(BIN)/$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(BIN)/$(LOCK) requirements/java.in -o requirements/java.txt
	$(BIN)/$(LOCK) requirements/node.in -o requirements/node.txt
	$(BIN)/$(LOCK) --override requirements/overrides.txt $(NO_MEMBERS) --extra rapidocr $(PYPROJECTS) -o requirements/runtime.txt
	$(BIN)/$(LOCK) -c requirements/runtime.txt --group pyproject.toml:dev -o requirements/dev.txt
	$(BIN)/$(LOCK) -c requirements/build.txt -c requirements/runtime.txt -c requirements/dev.txt --group pyproject.toml:release -o requirements/release.txt
	$(BIN)/$(IMAGE_LOCK) services/ingest/pyproject.toml -o requirements/image-ingest.txt
	$(BIN)/$(IMAGE_LOCK) --extra rapidocr services/ocr-worker/pyproject.toml -o requirements/image-worker-cpu.txt
	$(BIN)/$(IMAGE_LOCK) --extra doctr services/ocr-worker/pyproject.toml -o requirements/image-worker-gpu.txt
	$(BIN)/$(IMAGE_LOCK) services/recorder/pyproject.toml -o requirements/image-recorder.txt

# ---- run ----------------------------------------------------------------------------------------

BEGAN_AT := $(shell date +%s.%N)
LOCAL := $(BIN)/ocrstream-local

.PHONY: demo
demo: .venv/runtime.stamp try-dashboard ## Read the sample images through the whole stack; ONCE=1 checks and ends
	@OCRSTREAM_COMMAND_BEGAN_AT=$(BEGAN_AT) $(LOCAL) demo --workers $(WORKERS) --engine $(ENGINE) $(if $(ONCE),--once)

.PHONY: up
up: .venv/runtime.stamp try-dashboard ## Start Kafka, PostgreSQL and the services; WORKERS=2 ENGINE=rapidocr|tesseract|doctr|noop
	@$(LOCAL) up --workers $(WORKERS) --engine $(ENGINE)

.PHONY: down
down: .venv/runtime.stamp ## Stop all of it
	@$(LOCAL) down

.PHONY: status
status: .venv/runtime.stamp ## Show what runs
	@$(LOCAL) status

# ---- benches -------------------------------------------------------------------------------------

.PHONY: bench-recorder
bench-recorder: .venv/runtime.stamp ## Measure how fast the recorder writes, against two baselines
	@$(BIN)/python bench/recorder.py

.PHONY: bench-ingest
bench-ingest: .venv/runtime.stamp ## Measure how fast ingest takes submissions, against bare baselines
	@$(BIN)/python bench/ingest.py

.PHONY: bench-worker
bench-worker: .venv/runtime.stamp ## Measure how fast and safely workers read; ARGS="--memory-images 10000" reads more crops
	@PYTHONPATH=tests/support $(BIN)/python bench/worker.py $(ARGS)

.PHONY: bench-accuracy
bench-accuracy: .venv/dev.stamp ## Measure how right the text is; ARGS="--real FOLDER" adds scans, ARGS="--help" tells more
	@PYTHONPATH=tests/support $(BIN)/python bench/accuracy_bench.py $(ARGS)

.PHONY: bench-read
bench-read: .venv/runtime.stamp ## Measure how fast the recorder answers while it writes; ARGS="--images 20000 --seconds 5 --rounds 1" tries it
	@$(BIN)/python bench/read.py $(ARGS)

.PHONY: bench-doctr
bench-doctr: .venv-doctr/doctr.stamp ## Measure how many pages a second docTR reads on a GPU; ARGS="--device cpu" reads without one
	@PYTHONPATH=services/ocr-worker/tests/support:tests/support .venv-doctr/bin/python bench/doctr_speed.py $(ARGS)

.PHONY: bench-dashboard
bench-dashboard: .venv/dev.stamp $(DASHBOARD_BUILT) ## Measure how light and quick the dashboard is in Chromium
	@PYTHONPATH=tests/support $(BIN)/python bench/dashboard.py

# ---- checks --------------------------------------------------------------------------------------

.PHONY: lint
lint: .venv/dev.stamp $(DASHBOARD)/node_modules/dev.stamp ## Format check, lint, types, import boundaries, unused code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(NODE) npm run --silent lint

.PHONY: format
format: .venv/dev.stamp $(DASHBOARD)/node_modules/dev.stamp ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NODE) npm run --silent format

.PHONY: docs
docs: .venv/runtime.stamp ## Write the pages that the code tells: configuration, metrics, HTTP paths
	@$(BIN)/python docs/reference.py

.PHONY: pictures
pictures: .venv/dev.stamp ## Take the README's pictures of the dashboard, of what the local stack has read
	@PYTHONPATH=tests/support $(BIN)/python docs/pictures.py

.PHONY: dashboard-types
dashboard-types: .venv/runtime.stamp $(DASHBOARD)/node_modules/dev.stamp ## Write the dashboard's types of both HTTP APIs
	@$(NODE) ../../../$(BIN)/python ../../../docs/dashboard_types.py

.PHONY: contract
contract: .venv/runtime.stamp ## Write the event contract: JSON Schemas, AsyncAPI, examples
	@$(BIN)/python -m ocrstream_schemas.contract

.PHONY: licences
licences: .venv/dev.stamp $(DASHBOARD_BUILT) ## Write the page of third-party licences
	@$(BIN)/python docs/licences.py

# ---- release -------------------------------------------------------------------------------------

.PHONY: wheels
wheels: .venv/release.stamp $(DASHBOARD_BUILT) ## Build what a release publishes into dist, and check it
	@rm -rf dist
	@for member in $(PUBLISHED); do $(BIN)/uv build --quiet --python $(BIN)/python --no-build-isolation --out-dir dist $$member || exit; done
	@$(BIN)/twine check --strict dist/*

# ---- tests ---------------------------------------------------------------------------------------

.PHONY: test
test: .venv/dev.stamp $(DASHBOARD)/node_modules/dev.stamp try-dashboard ## Run all tests on real Kafka, PostgreSQL and Chromium, two files at a time
	$(NODE) npm run --silent test
	$(BIN)/pytest -n 2 --dist loadfile

.PHONY: test-deep
test-deep: .venv/dev.stamp ## Run 5,000 random ledgers and the mutants, about an hour
	$(BIN)/pytest --hypothesis-profile=deep services/recorder/tests/integration/test_ledgers.py
	$(BIN)/pytest -m deep

.PHONY: mutants
mutants: .venv/dev.stamp ## Break the recorder's write path in every known way; each must be seen
	$(BIN)/pytest -m deep services/recorder/tests/mutation

CONTAINER_ENGINE := PYTHONPATH=deploy/engine $(BIN)/python -m container_engine
# Images and Compose, and some that take both servers from containers of the images named there.
COMPOSE_TESTS := tests/test_images.py tests/test_compose_runs.py
CONTAINER_TESTS := services/ingest/tests/integration services/recorder/tests/integration/test_recording.py tests/test_container_servers.py
ON_CONTAINERS := set -a; test ! -f /run/ocrstream-engine/env || . /run/ocrstream-engine/env; OCRSTREAM_TEST_SERVERS=containers

.PHONY: engine-up
engine-up: .venv/dev.stamp ## Have a Docker engine with the pinned images, as root on Debian without one installed
	@$(CONTAINER_ENGINE) up

.PHONY: engine-down
engine-down: .venv/dev.stamp ## Stop the Docker engine that engine-up started
	@$(CONTAINER_ENGINE) down

.PHONY: test-containers
test-containers: engine-up ## Build the images, run and break them by Compose; run other tests on containers, too
	@$(ON_CONTAINERS) $(BIN)/pytest $(COMPOSE_TESTS) $(CONTAINER_TESTS)

.PHONY: test-compose
test-compose: engine-up ## Of these, what builds the images and runs them by Compose
	@$(ON_CONTAINERS) $(BIN)/pytest $(COMPOSE_TESTS)

.PHONY: test-doctr
test-doctr: .venv-doctr/doctr.stamp ## Run docTR's tests, in an environment of its own (6 GB)
	.venv-doctr/bin/pytest services/ocr-worker/tests/doctr services/ocr-worker/tests/unit/test_engine_contract.py -k doctr
