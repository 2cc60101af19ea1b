# Everything starts here. Each target does its own set-up: a machine needs only Python 3.11-3.13, make, and PyPI.
PYTHON ?= python3
UV := .uv/uv
TWO_FILES := -n 2 --dist loadfile --no-loadscope-reorder
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE ?= copy
ifneq ($(wildcard /etc/ssl/certs/*.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
endif

.PHONY: setup demo test check test-slow format docs benchmarks clean

setup: .venv/bin/salvia        ## leaves .venv/bin/salvia

$(UV): uv.lock tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py
	@touch $(UV)

.venv/bin/salvia: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch .venv/bin/salvia

demo: setup                    ## train a real model through the unmodified SageMaker SDK
	.venv/bin/salvia demo

check: setup                   ## format, lint, types, architecture
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

test: check                    ## everything that takes less than a few minutes
	.venv/bin/pytest -m "not slow" $(TWO_FILES)

test-slow: setup               ## unmodified clients, kill -9, fuzzing: starts servers, takes its time
	.venv/bin/pytest -m slow $(TWO_FILES)

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

docs: setup                    ## write the generated pages
	.venv/bin/salvia operations --markdown > docs/operations.md

benchmarks: setup              ## each prints a ratio against a named peer; the search's, which takes hours, in a short form
	for claim in $(patsubst benchmarks/%/run.py,%,$(wildcard benchmarks/*/run.py)); do \
	  case $$claim in tuning) short="--seeds 1 --engines salvia,random,optuna-TPE" ;; *) short= ;; esac; \
	  .venv/bin/python -m benchmarks.$$claim.run $$short || exit 1; \
	done

clean:
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
