# Tenyson. `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
# The demo's cluster: `local` starts its own, `current` uses the one that KUBECONFIG points at.
CLUSTER ?= local

.PHONY: help check-system install demo demo-down test test-fast test-runtime test-vllm bench-operator bench-runtime bench-telemetry dashboards chart charttools test-chart images e2e dist lint types verify audit crds operator-doc lock format cluster clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(BIN)/.installed ## Make .venv, with everything, from the lock

check-system: ## See whether this machine has what the local cluster needs
	@hack/check-system

$(BIN)/.installed: uv.lock pyproject.toml hack/install
	@hack/install
	@touch $@

demo: check-system install ## Run the main job: a cluster, a database, the operator, five jobs that train and evaluate
	@$(BIN)/python -m hack.demo up --cluster $(CLUSTER)

demo-down: install ## Stop everything that the demo started; its data stays in .demo/
	@$(BIN)/python -m hack.demo down

cluster: install ## Get the Kubernetes binaries (built once, about 9 minutes on 2 cores)
	@$(BIN)/python -m hack.cluster build

test: check-system install lint types cluster ## Run every test
	@$(BIN)/python -m hack.suite

test-fast: install ## Run the tests that need neither a cluster nor training
	@$(BIN)/python -m pytest -m "not cluster and not train and not long and not gpu"

test-runtime: install ## Run the runtime's long tests: resumes, kills, simulations
	@$(BIN)/python -m pytest tests/runtime tests/telemetry tests/tasks -m long

test-vllm: install .cache/vllm-venv/.installed ## Run the tests of the vLLM engine, in an environment of its own (OPTIONS for pytest)
	@.cache/vllm-venv/bin/python -m pytest tests/runtime/served -m vllm $(OPTIONS)

.cache/vllm-venv/.installed: uv.lock hack/vllm.txt hack/install-vllm
	@hack/install-vllm
	@touch $@

charttools: install ## Get Helm and the chart's other tools (built once, about 3 minutes on 2 cores)
	@$(BIN)/python -m hack.charttools build >/dev/null

test-chart: check-system install cluster charttools ## Run the tests of the Helm chart, on the local control plane too (OPTIONS for pytest)
	@$(BIN)/python -m pytest tests/chart -m chart $(OPTIONS)

e2e: install cluster ## Run the tests on a real node with real images, as root (OPTIONS for pytest)
	@$(BIN)/python -m pytest tests/kubelet -m kubelet -v -s --durations=0 $(OPTIONS)

images: install ## Build the images (IMAGE=controller or runner for one; BASE_IMAGE, IMAGE_PREFIX)
	@$(BIN)/python -m hack.images $(IMAGE)

bench-operator: check-system install cluster ## Measure the operator on real control planes, about 30 minutes (OPTIONS=--quick for less)
	@$(BIN)/python -m benchmarks.operator $(OPTIONS)

bench-runtime: install ## Measure the runtime beside plain TRL, about 10 minutes (OPTIONS=--quick for less)
	@$(BIN)/python -m benchmarks.runtime $(OPTIONS)

bench-telemetry: install ## Measure what telemetry costs, and 10 million completions, about 25 minutes and 15 GB (OPTIONS=--quick for less)
	@$(BIN)/python -m benchmarks.telemetry $(OPTIONS)

lint: install ## Check style, import boundaries and generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --cache-dir .cache/import-linter
	@$(BIN)/python -m tenyson.controller.crd --check
	@$(BIN)/python -m hack.dashboards --check
	@$(BIN)/python -m hack.chart --check

types: install ## Check types
	@$(BIN)/mypy

format: install ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

crds: install ## Generate crds/ from the models
	@$(BIN)/python -m tenyson.controller.crd

dashboards: install ## Generate the Grafana dashboards of the chart
	@$(BIN)/python -m hack.dashboards

chart: install crds dashboards charttools ## Generate the chart's version, CRDs, schema and README
	@$(BIN)/python -m hack.chart

dist: install charttools ## Package the chart and the CRDs into dist/
	@$(BIN)/python -m hack.chart.package

operator-doc: check-system install cluster ## Fill docs/operator.md with what kubectl really prints, about 40 s (OPTIONS=--check only compares)
	@$(BIN)/python -m hack.states $(OPTIONS)

verify: install chart ## Regenerate what is generated, and fail if it was not up to date
	@git diff --exit-code -- crds charts/tenyson

audit: install ## Look every locked package up in the public database of vulnerabilities (OPTIONS for uv audit)
	@UV_SYSTEM_CERTS="$${UV_SYSTEM_CERTS:-1}" .cache/uv/bin/uv audit --frozen --preview-features audit-command $(OPTIONS)

lock: install ## Resolve uv.lock anew; hosts are taken out, so that it installs from any index
	@.cache/uv/bin/uv lock --upgrade
	@sed -i -E 's#https://[^/"]+/#https://index.invalid/#g' uv.lock

clean: demo-down ## Stop the demo and remove its data, .venv and the caches in here
	@rm -rf .venv .cache .demo artifacts dist
