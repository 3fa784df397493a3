# Everything sets itself up: a clean checkout, then `make demo` or `make test`.
#
#   make demo                  a running Airflow with incidents to look at (DEMO_EXIT=1: tell the story and stop)
#   make test                  lint, then all tests on both supported Airflows (AIRFLOW=3.3.2 or 3.1.3: one of them)
#   make test TESTS=tests/unit PYTEST="-x -k timers"
#   make check                 lint and the tests that need no Airflow, on one version: seconds, not minutes
#   make lint | format | bench | venv | clean | distclean
#   make constraints AIRFLOW=3.3.2    resolve the newest versions again and pin them (needs Python 3.10)

SHELL := /bin/sh
NEWEST := 3.3.2
SUPPORTED := 3.1.3 $(NEWEST)

AIRFLOW ?=
ONE := $(or $(AIRFLOW),$(NEWEST))
MANY := $(or $(AIRFLOW),$(SUPPORTED))
ifneq ($(filter-out $(SUPPORTED),$(MANY)),)
$(error AIRFLOW=$(AIRFLOW) is not supported, choose one of: $(SUPPORTED))
endif

TESTS ?= tests
PYTEST ?=
export DEMO_EXIT

# Without bytecode every Airflow process compiles Airflow again: twice the start time.
unexport PYTHONDONTWRITEBYTECODE
# What the shell around us says about Airflow or Python must not leak into ours.
unexport AIRFLOW_HOME PYTHONPATH PYTHONHOME VIRTUAL_ENV

# Two environments are installed side by side, and lint runs beside apt-get. What we start is no part of that.
MAKEFLAGS += --jobs=2
unexport MAKEFLAGS

bin = .venv/airflow-$(1)/bin
stamp = .venv/airflow-$(1)/.installed

# `python` is what builds the environments.
.PHONY: help demo test python tools lint format bench check venv constraints clean distclean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,3\}//;2,9p' Makefile

demo: $(call stamp,$(ONE))
	@PYTHONPATH=plugins $(call bin,$(ONE))/python -m demo

bench: $(call stamp,$(ONE))
	@$(call bin,$(ONE))/python -m bench

# On both versions, or on what AIRFLOW, TESTS and PYTEST choose.
test: lint tools
ifeq ($(AIRFLOW)$(PYTEST)$(filter-out tests,$(TESTS)),)
	@scripts/test-all $(SUPPORTED)
else
	@for version in $(MANY); do echo "== tests on Airflow $$version"; \
	    .venv/airflow-$$version/bin/python -m pytest -m "not bucket and not celery" $(TESTS) $(PYTEST) || exit; done
endif

# What tests need that is no Python package. Behind the environments: apt-get runs once at a time.
tools: $(foreach version,$(MANY),$(call stamp,$(version)))
	@scripts/system-packages python browser monitoring docker redis
	@PYTHON=$(call bin,$(ONE))/python scripts/logql-server >/dev/null

check: lint
	@$(call bin,$(ONE))/python -m pytest -m "not airflow and not integration and not browser" $(TESTS) $(PYTEST)

lint: $(call stamp,$(ONE))
	@echo "== lint"
	@$(call bin,$(ONE))/ruff check
	@$(call bin,$(ONE))/ruff format --check --quiet || \
	    { echo "Some files are not formatted: make format" >&2; exit 1; }
	@[ ! -d plugins/incident_response ] || $(call bin,$(ONE))/mypy
	@[ ! -d plugins/incident_response ] || PYTHONPATH=plugins $(call bin,$(ONE))/lint-imports --no-cache

format: $(call stamp,$(ONE))
	@$(call bin,$(ONE))/ruff check --fix --quiet || true
	@$(call bin,$(ONE))/ruff format

venv: $(foreach version,$(MANY),$(call stamp,$(version)))

python:
	@scripts/system-packages python

# The stamp is written last: an interrupted install starts again.
.venv/airflow-%/.installed: requirements.txt requirements-dev.txt constraints-%.txt | python
	@echo "== installing Airflow $* into .venv/airflow-$* (about a minute)"
	@python=$$(scripts/find-python) && \
	    { [ -x $(@D)/bin/python ] || "$$python" -m venv $(@D); }
	@$(@D)/bin/python -m pip install --quiet --compile --disable-pip-version-check \
	    -r requirements.txt -r requirements-dev.txt -c constraints-$*.txt
	@touch $@

# Resolves anew in a throw-away environment, on the oldest Python, so that the pins fit all of them.
# The seeds say what must not float:
#   3.1.3 answers `POST /auth/token` with 500 under PyJWT 2.11, and is tested on the SQLAlchemy of its own image.
SEED_3.1.3 := apache-airflow==3.1.3 SQLAlchemy==1.4.54 pyjwt<2.11 flask-jwt-extended<4.7.2
SEED_3.3.2 := apache-airflow==3.3.2
constraints:
	@python=$$(PYTHON="$${PYTHON:-python3.10}" scripts/find-python) && "$$python" -m venv --clear .venv/resolve-$(ONE)
	@printf '%s\n' $(patsubst %,'%',$(SEED_$(ONE))) > .venv/resolve-$(ONE)/seed.txt
	@.venv/resolve-$(ONE)/bin/python -m pip install --quiet --disable-pip-version-check \
	    -r requirements.txt -r requirements-dev.txt -c .venv/resolve-$(ONE)/seed.txt
	@{ echo "# Every version that Airflow $(ONE) is tested with. Made by: make constraints AIRFLOW=$(ONE)"; \
	    .venv/resolve-$(ONE)/bin/python -m pip freeze --exclude-editable; } > constraints-$(ONE).txt
	@rm -r .venv/resolve-$(ONE)

clean:
	rm -rf .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf .venv
