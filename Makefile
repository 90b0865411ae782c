# `make` lists the targets. Each sets up what it needs: one environment, in .venv, and nothing else.
#
#   PYTHON=/path/to/python3.12 make demo      with another Python than `python3`
#   make test ARGS='-k unanimous'             options for the program behind a target

.DEFAULT_GOAL := help
.PHONY: help demo test test-all processors check lint types layers pages setup docs lock clean distclean

# Of the caller's environment, what would lead Python elsewhere than .venv.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME

BIN := .venv/bin
READY := .venv/.ready

# .ready holds the folder it was made in: a tree that was moved or copied is set up again, and so is
# one for which a Python is named.
ifneq "$(PYTHON)$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
.PHONY: $(READY)
endif

$(READY): requirements.lock pyproject.toml .ci/setup
	@PYTHON='$(PYTHON)' .ci/setup

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## Build a small preference dataset from the bundled speech
	@$(BIN)/gensr-pref demo $(ARGS)

test: $(READY) ## The fast tests
	@$(BIN)/python -m pytest -m 'not slow' $(ARGS)

test-all: $(READY) ## All tests
	@$(BIN)/python -m pytest $(ARGS)

processors: $(READY) ## The numeric tests under each instruction set of this processor
	$(BIN)/python -m tests.processors $(ARGS)

check: lint types layers pages ## Lint, formatting, types, import layers, generated pages, links

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy docs/reference.py

layers: $(READY)
	$(BIN)/lint-imports --no-logo

pages: $(READY)
	$(BIN)/python docs/reference.py --check

setup: $(READY) ## Only the environment

docs: $(READY) ## Write the generated pages in docs/ anew
	$(BIN)/python docs/reference.py

# uv writes the limits of `environments` onto every line; what holds for all of them says nothing.
lock: ## Pin requirements.lock to pyproject.toml (ARGS=--upgrade for newer releases)
	PATH="$$PATH:$(BIN)" uv pip compile --quiet pyproject.toml --group dev --output-file requirements.lock \
		--universal --python-version 3.11 --fork-strategy fewest --no-header --no-annotate $(ARGS)
	{ echo '# Made by `make lock` from pyproject.toml: what runs and what develops gensr_pref.' && \
	  sed -e '/^#/d' -e "s/python_full_version < '3.15' and //g" \
		-e "s/ ; (*sys_platform == 'darwin')* or (*sys_platform == 'linux')*$$//" requirements.lock; \
	} >requirements.lock.new
	mv requirements.lock.new requirements.lock

clean: ## Remove what the tools left behind
	rm -rf build dist demo-run .pytest_cache .import_linter_cache
	find . -path ./.venv -prune -o -path ./.git -prune -o -type d \
		\( -name __pycache__ -o -name .mypy_cache -o -name .ruff_cache \) -exec rm -rf {} +

distclean: clean ## The same, and the environment
	rm -rf .venv gensr_pref.egg-info
