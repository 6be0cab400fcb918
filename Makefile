# The portal's commands. Each sets up what it needs: Python 3.11+, venv and make are enough.
.DEFAULT_GOAL := help
.PHONY: help setup install demo test check bench wheel lock messages clean
MAKEFLAGS += --no-print-directory

# The first of these that is Python 3.11 or newer; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
PORT ?= 8000
WORKERS ?= auto
# Each makes sure that there is a Chromium, or an nginx and systemd-analyze, or fails.
CHROMIUM := sh scripts/browser.sh
NGINX := sh scripts/nginx.sh

help: ## show this list
	@echo "make ..."
	@sed -n 's/^\([a-z]*\):.*## /  \1#/p' $(MAKEFILE_LIST) | awk -F'#' '{ printf "%-10s %s\n", $$1, $$2 }'

setup: .python ## make .venv with everything for development
	@$(PYTHON) scripts/setup.py dev

install: .python ## make .venv with only what a server needs
	@$(PYTHON) scripts/setup.py run

demo: .python ## run an example incident with a mailbox at http://localhost:8000 (another port: PORT=...)
	@$(PYTHON) scripts/setup.py demo
	@$(BIN)/portal demo --port $(PORT)

test: setup ## run all tests, with a real PostgreSQL, browser and nginx
	@without=""; said=""; \
	$(CHROMIUM) || { without="$$without and not browser"; said="$$said no Chromium (browser tests);"; }; \
	$(NGINX) || { without="$$without and not deploy"; said="$$said no nginx or systemd-analyze (tests of deploy/);"; }; \
	env -u PORTAL_TEST_INSTALL -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(WORKERS) --dist worksteal \
		$${without:+-m "$${without# and }"} && test -z "$$without" || { \
		test -z "$$said" || echo "Some tests did not run:$$said see above how to install it." >&2; exit 1; }

check: setup ## run linters, type checks, layer checks and the fast tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@env -u PORTAL_TEST_INSTALL $(BIN)/pytest -q -n $(WORKERS) -m "not browser and not postgres and not deploy"

bench: setup ## run the benchmarks, each a ratio
	@$(BIN)/python -m bench

wheel: setup ## build a wheel and its source archive into dist/
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	@ls dist/*

lock: setup ## update the pinned versions and hashes in requirements/*.txt
	@for name in run demo build dev; do $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
		--universal --python-version 3.11 --custom-compile-command "make lock" \
		requirements/$$name.in -o requirements/$$name.txt || exit 1; done

messages: setup ## update the catalogues in portal/translations with new texts
	@$(BIN)/python scripts/messages.py

clean: ## remove .venv, var and what tools left behind
	@rm -rf .venv .setup.lock var build dist portal.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .python
.python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found." \
		"On Debian and Ubuntu: apt-get install python3 python3-venv. Or say where it is: make PYTHON=/path/to/python3"; exit 1; } >&2
