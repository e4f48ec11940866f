# Each target sets up its dependencies. `make` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-second check check-security audit fix lint types synth diff deploy publish outputs destroy bench soak docs site lock clean tools

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
export CHECKPOINT_DISABLE := 1

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.ready node_modules/.ready ## Install the pinned Python and Node packages

demo: setup ## Deploy to an embedded AWS, and run two interviews
	@$(BIN)/python -m scripts.dev.demo

test: setup .venv-security/.ready .venv-site/.ready lint types ## Run all tests, with terraform and the AWS provider
	$(BIN)/pytest -n 2 --dist loadgroup -m "not soak and not second"

test-second: setup .venv-second/.ready ## Deploy, run and destroy everything on a second emulator
	$(BIN)/pytest -m second tests/second

check: setup lint types ## Run the linters, the type checker and the fast tests
	$(BIN)/pytest -n 2 --dist loadgroup -m "not e2e and not slow and not soak and not second"

check-security: setup .venv-security/.ready ## Scan plans, policies, files and locked packages
	$(BIN)/pytest tests/security

audit: setup .venv-security/.ready ## Look up advisories and newer versions, or fail
	PREQUEL_REQUIRE_ADVISORIES=1 $(BIN)/pytest tests/security/test_advisories.py tests/security/test_image_packages.py

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy
	$(BIN)/pyright

fix: .venv/.ready ## Apply the linter's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

synth: setup ## Render the interview stack into instance_templates/
	$(BIN)/python -m scripts.dev.render

diff: setup ## Show the changes that a deployment would make
	cdktf diff shared

deploy: setup ## Check the AWS account, then deploy; asks for approval
	$(BIN)/prequel preflight
	cdktf deploy shared

publish: setup ## Build the image, publish templates and challenges
	$(BIN)/prequel image build
	$(BIN)/prequel templates publish
	$(BIN)/prequel challenge publish

outputs: setup ## Print the deployed shared stack's outputs
	cdktf output shared

# The list may fail: on a second attempt, the bucket may no longer exist.
destroy: setup ## Destroy the stack if it has no interviews; asks first
	@if $(BIN)/prequel interview list --json | grep -q '"id":'; then $(BIN)/prequel interview list; \
		echo "the shared stack has interviews; run \`prequel interview destroy ID\` for each" >&2; exit 1; fi
	cdktf destroy shared

bench: setup ## Run the benchmarks and write docs/benchmarks.md
	$(BIN)/python -m scripts.dev.bench

soak: test-second ## Run test-second and the long tests; writes docs/soak.md
	$(BIN)/pytest -n 2 --maxschedchunk 1 -p tests.soak_report -m soak

docs: setup ## Generate the diagram, the references and the indexes
	$(BIN)/python -m scripts.dev.docs

site: .venv-site/.ready ## Build the documentation as a website in .prequel/site
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml

lock: .venv/.ready ## Lock the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra dev -o requirements.txt --no-emit-index-url --python-version 3.11
	$(BIN)/uv pip compile -q --group runner -c requirements.txt --generate-hashes -o requirements-runner.txt --no-emit-index-url --python-version 3.12 --python-platform linux
	$(BIN)/uv pip compile -q --group loader -c requirements.txt --generate-hashes -o image/loader/requirements.txt --no-emit-index-url --python-version 3.11 --python-platform linux
	$(BIN)/uv pip compile -q --group editor -c requirements.txt --generate-hashes -o image/editor/requirements.txt --no-emit-index-url --python-version 3.11 --python-platform linux
	$(BIN)/uv pip compile -q --upgrade --group security --universal --generate-hashes -o requirements-security.txt --no-emit-index-url --python-version 3.11
	$(BIN)/uv pip compile -q --upgrade --group second --universal --generate-hashes -o requirements-second.txt --no-emit-index-url --python-version 3.11
	$(BIN)/uv pip compile -q --upgrade --group site --universal --generate-hashes -o requirements-site.txt --no-emit-index-url --python-version 3.11

clean: ## Delete the files that the other targets created
	rm -rf .venv .venv-second .venv-security .venv-site node_modules cdktf.out .prequel .pytest_cache .mypy_cache .ruff_cache

# --no-compile: the AWS bindings have 2,200 modules, of which a few dozen are used.
.venv/.ready: requirements.txt pyproject.toml | tools
	@echo "Installing the Python packages (about half a minute) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --no-compile --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install -qq --no-deps --no-build-isolation --disable-pip-version-check -e .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q -j 0 -x "cdktf_cdktf_provider_aws|/tests?/" .venv/lib/*/site-packages >/dev/null || true
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import stacks.shared"
	@touch $@

# checkov pins boto3 to a version of 2024, which conflicts with the project's; docs/decisions/0060.
.venv-security/.ready: requirements-security.txt | .venv/.ready
	@echo "Installing checkov and pip-audit …"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-security
	@$(BIN)/uv pip install -q --python .venv-security --require-hashes -r requirements-security.txt
	@touch $@

.venv-second/.ready: requirements-second.txt | .venv/.ready
	@echo "Installing MiniStack …"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-second
	@$(BIN)/uv pip install -q --python .venv-second --require-hashes -r requirements-second.txt
	@touch $@

.venv-site/.ready: requirements-site.txt | .venv/.ready
	@echo "Installing MkDocs …"
	@$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-site
	@$(BIN)/uv pip install -q --python .venv-site --require-hashes -r requirements-site.txt
	@touch $@

node_modules/.ready: package-lock.json | tools
	@echo "Installing cdktf-cli (about half a minute) …"
	@npm ci --silent --ignore-scripts
	@touch $@

tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "error: $(PYTHON) is missing or older than 3.11; install Python from https://www.python.org/downloads or name one with make PYTHON=..." >&2; exit 1; }
	@command -v node >/dev/null || { echo "error: node is not on PATH; install Node.js 20 or later from https://nodejs.org" >&2; exit 1; }
	@found=$$(node --version | tr -d v); printf '20\n%s\n' "$$found" | sort -CV || { echo "error: node is $$found, expected 20 or later; install it from https://nodejs.org" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "error: npm is not on PATH; it comes with Node.js, https://nodejs.org" >&2; exit 1; }
	@command -v terraform >/dev/null || { echo "error: terraform is not on PATH; install 1.11 or later from https://developer.hashicorp.com/terraform/install" >&2; exit 1; }
	@found=$$(terraform version 2>/dev/null | sed -n 's/^Terraform v//p'); printf '1.11\n%s\n' "$$found" | sort -CV || { echo "error: terraform is $$found, expected 1.11 or later; install it from https://developer.hashicorp.com/terraform/install" >&2; exit 1; }
