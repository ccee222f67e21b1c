# Every target that needs Python begins with `setup`, which does only what is missing.
.DEFAULT_GOAL := help
.PHONY: help setup rehearse rehearse-100 rehearse-500 test fuzz sweep check lint docs bench catalogue grants audit lock local deploy policy clean

BIN := .venv/bin
SCENARIO ?= roll
POLICY ?= fleet.yaml
STACK ?= gpuops
NODES ?= 20
PIP_TOOLS := 7.6.2
PIP_AUDIT := 2.10.1
PARLIAMENT := 1.6.4
# A rehearsal hands one baton on from process to process, so two of them leave a part of two cores idle: three workers for two.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? (n * 3 + 1) / 2 : 6)))
SPREAD := -n $(WORKERS) --no-loadscope-reorder
# Of each module the bytecode, its asserts rewritten, is kept: every worker imports all of the tests.
unexport PYTHONDONTWRITEBYTECODE
NEEDED := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEEDED)' 2>/dev/null && echo $$python && break; done)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with the gpuops command, and what rehearsals run on (minutes, once)
	@python="$(PYTHON)"; if [ -z "$$python" ]; then \
		echo "gpuops needs Python 3.11 or newer with its venv module, and found none." >&2; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	exec "$$python" scripts/set_up.py

rehearse: setup ## run a scenario on this machine and watch it (SCENARIO=roll, ARGS=--json)
	@$(BIN)/gpuops rehearse $(SCENARIO) $(ARGS)

rehearse-100: setup ## roll a hundred nodes under the observer (minutes; not part of the tests)
	@$(BIN)/gpuops rehearse scenarios/large/hundred.yaml $(ARGS)

rehearse-500: setup ## roll five hundred nodes under the observer (most of an hour)
	@$(BIN)/gpuops rehearse scenarios/large/five_hundred.yaml $(ARGS)

test: setup ## run every test, in half as many more processes as there are cores (ARGS="-k drain -n 0")
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

fuzz: setup ## damage every kind of input for a long time (half an hour; ARGS="-k policy")
	@GPUOPS_EXAMPLES=fuzz $(BIN)/python -m pytest $(SPREAD) --timeout 7200 tests/property $(ARGS)

sweep: setup ## break what can fail in small stories, and write docs/reliability.md (half a day; with ARGS="--limit 50" no page)
	@$(BIN)/gpuops sweep --workers $(WORKERS) $(if $(ARGS),$(ARGS),--page docs/reliability.md)

check: lint rehearse test ## what CI runs: lint, types, imports, definitions, pages, the main job, tests

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint template.yaml
	@$(BIN)/python docs/generate.py --check

docs: setup ## write the pages that are generated from definitions, template and models
	@$(BIN)/python docs/generate.py

local: setup ## keep a scenario's region and cluster up, for sam and kubectl (SCENARIO=roll)
	@$(BIN)/python -m rehearsal.local $(SCENARIO) $(ARGS)

bench: setup ## measure; each bench prints one JSON object (NODES=20,100,500 for sizes of the roll)
	@$(BIN)/gpuops bench coldstart --json
	@$(BIN)/gpuops bench roll --nodes $(NODES) --json

catalogue: setup ## write the catalogue of AMI drivers anew from rows of EKS's changelog (FILE=rows.csv)
	@$(BIN)/python scripts/catalogue.py $(FILE)

grants: setup ## say of each right which scenario shows it, from the rehearsals in out/ (RUNS="out ...")
	@$(BIN)/python scripts/grants.py $(RUNS)

audit: setup ## known vulnerabilities of what is pinned, the template and its policies under their linters
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==$(PIP_AUDIT) parliament==$(PARLIAMENT)
	@SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	@$(BIN)/python scripts/policies.py build/policies
	@build/audit/bin/parliament --directory build/policies --json | $(BIN)/python scripts/policies.py -
	@$(BIN)/python scripts/vulnerabilities.py build/audit/bin/pip-audit layers/gpuops/requirements.txt requirements.txt

lock: setup ## compile the lock files anew from requirements.in, layers/gpuops and the Go toolchain
	@$(BIN)/python -m venv build/lock
	@build/lock/bin/pip install --quiet --disable-pip-version-check pip-tools==$(PIP_TOOLS)
	@for folder in layers/gpuops . rehearsal/control_plane/modules; do \
		for source in requirements go; do [ -f $$folder/$$source.in ] || continue; \
			(cd $$folder && $(CURDIR)/build/lock/bin/pip-compile --quiet --allow-unsafe --generate-hashes \
				--no-emit-find-links --no-emit-index-url --strip-extras --output-file=$$source.txt $$source.in) || exit 1; \
		done; done

deploy: setup ## build and deploy to the AWS account of your credentials
	$(BIN)/sam build
	$(BIN)/sam deploy --stack-name $(STACK) $(ARGS)

policy: setup ## validate fleet.yaml and upload it to the stack's bucket (POLICY=, STACK=)
	@$(BIN)/gpuops policy push $(POLICY) --stack $(STACK)

clean: ## remove what was built here; the control plane's binaries stay in the cache
	rm -rf .venv .aws-sam build out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
