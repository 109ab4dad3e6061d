# Two commands: `make run` and `make test`; everything else is a part of them.
#
#   PYTHON             the interpreter that makes the environments (3.11 or 3.12; found by itself)
#   TORCH_INDEX        address of a package index with smaller torch builds, for example the CPU-only one of PyTorch
#   IMAGES             folder of images to label; empty = the generated demo cells
#   CONFIG, CLASSES    what is labeled (classes, boxes or polygons) and the names, between commas
#   SEED_LABELS        how many images of class sub-folders start out labeled
#   GROUP_PATTERN      regex that finds the patient or slide in a file name; auto = the proposed one, none = names tell nothing
#   PAPLOOP_PORT       port of PapLoop; LABEL_STUDIO_PORT: port of Label Studio
#   NAME               one benchmark of `make bench`
#   MINUTES, SEED      of `make soak`: minutes of labeling, fifteen of them with Label Studio standing still

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
LABEL_STUDIO_VENV := .venv-label-studio
BIN := $(VENV)/bin
READY := $(VENV)/.installed
LABEL_STUDIO_READY := $(LABEL_STUDIO_VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

TORCH_OPTIONS = $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)")
IMAGE_OPTIONS = $(if $(IMAGES),--images "$(IMAGES)") $(if $(SEED_LABELS),--seed-labels "$(SEED_LABELS)") \
  $(if $(CONFIG),--config "$(CONFIG)") $(if $(CLASSES),--classes "$(CLASSES)") \
  $(if $(GROUP_PATTERN),--group-pattern "$(GROUP_PATTERN)")
PORT_OPTIONS = $(if $(LABEL_STUDIO_PORT),--label-studio-port "$(LABEL_STUDIO_PORT)")

# $(call has_venv,FOLDER): a half-deleted environment would install into the system.
has_venv = { [ -x "$(1)/bin/pip" ] && "$(1)/bin/python" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null; }

# $(call make_venv,FOLDER): works without ensurepip (Debian's python3 lacks it unless python3-venv is installed).
define make_venv
"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
  { echo 'PapLoop needs Python 3.11 or 3.12, found "$(PYTHON)". Install one, or say: make PYTHON=/path/to/python3.11' >&2; exit 1; }; \
rm -rf "$(1)"; \
"$(PYTHON)" -m venv "$(1)" >/dev/null 2>&1 || { \
  echo 'venv has no ensurepip here; taking pip from $(PYTHON).'; rm -rf "$(1)"; \
  "$(PYTHON)" -m venv --without-pip "$(1)" && "$(PYTHON)" -m pip --python "$(1)/bin/python" install --quiet pip; } || \
{ rm -rf "$(1)"; echo 'No environment could be made. Install python3-venv and python3-pip, then say make again.' >&2; exit 1; }
endef

.PHONY: help
help:
	@echo 'make run [IMAGES=dir] [SEED_LABELS=n] [CONFIG=boxes CLASSES=a,b]   install, start everything, print the addresses and the login'
	@echo 'make test                               install, check and run the whole test suite'
	@echo 'make test-fast                          the tests for every save, in about a minute'
	@echo 'make setup | check | coverage | e2e | soak [MINUTES=20] [SEED=0] | bench [NAME=...] | clean'

.PHONY: setup
setup:
	@$(MAKE) -s --no-print-directory -j2 $(READY) $(LABEL_STUDIO_READY)

$(READY): constraints.txt pyproject.toml requirements-detectron2.txt tools/install_detectron2.sh
	@echo '[paploop] installing pinned packages into $(VENV) (several GB with CUDA; TORCH_INDEX=... for less)'
	@$(call has_venv,$(VENV)) || { $(call make_venv,$(VENV)); }
	@$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print("setuptools", *p["dependencies"], *p["optional-dependencies"]["dev"], sep="\n")' > $(VENV)/requirements.txt
	@$(BIN)/pip install --quiet -c constraints.txt setuptools wheel
	@$(BIN)/pip install --progress-bar off -c constraints.txt -r $(VENV)/requirements.txt $(TORCH_OPTIONS) \
	  | awk '/^(Collecting|  Downloading|Building|Installing|Successfully)/ {print "[paploop]", substr($$0, 1, 150); fflush()}'
	@bash tools/install_detectron2.sh $(VENV)
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo '[paploop] ready'

$(LABEL_STUDIO_READY): constraints-label-studio.txt
	@echo '[label-studio] installing Label Studio into $(LABEL_STUDIO_VENV)'
	@$(call has_venv,$(LABEL_STUDIO_VENV)) || { $(call make_venv,$(LABEL_STUDIO_VENV)); }
	@$(LABEL_STUDIO_VENV)/bin/pip install --quiet -c constraints-label-studio.txt setuptools wheel
	@$(LABEL_STUDIO_VENV)/bin/pip install --progress-bar off -c constraints-label-studio.txt label-studio \
	  | awk '/^(Collecting|  Downloading|Building|Installing|Successfully)/ {print "[label-studio]", substr($$0, 1, 150); fflush()}'
	@touch $@
	@echo '[label-studio] ready'

.PHONY: run
run: setup
	@exec $(BIN)/paploop up $(IMAGE_OPTIONS) $(PORT_OPTIONS)

.PHONY: check
check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# What needs a browser and finds none fails with the sentence of that script; the rest is tested all the same.
.PHONY: chromium
chromium:
	@bash tools/install_chromium.sh || true

.PHONY: test
test: check chromium
	@bash tools/run_tests.sh $(BIN)/python

# All but what is marked slow, by hand or by its fixtures (tests/conftest.py). Tests over a second are named at the end.
.PHONY: test-fast
test-fast: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not e2e" --durations=5 --durations-min=1

# Lines and branches that all but the end-to-end tests reach: of everything, and of the rooms
# where a branch that no test takes may cost a label or an expert's time. The gates, in percent, are what the
# tests of `make test-fast` alone reach (84.9 and 88.4); the slow ones add to it, so raise them after a whole run.
CORE := ml_backend/loop/*,ml_backend/label_studio/regions/*,strategies/*
EVERYTHING_GATE := 84
CORE_GATE := 88
.PHONY: coverage
coverage: setup
	$(BIN)/python -m pytest -m "not e2e" --cov --cov-report=
	$(BIN)/coverage report --skip-covered --sort=cover --fail-under=$(EVERYTHING_GATE)
	$(BIN)/coverage report --include='$(CORE)' --skip-covered --sort=cover --fail-under=$(CORE_GATE)

.PHONY: e2e
e2e: setup chromium
	$(BIN)/python -m pytest -m e2e tests/e2e

# Everything that goes wrong in real life, for so long; the report is written to soak-results (docs/reliability.md).
.PHONY: soak
soak: setup
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),20) --seed $(or $(SEED),0)

# Peers to compare with are installed here only, so that `make setup` stays lean.
.PHONY: bench
bench: setup
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"], sep="\n")' > $(VENV)/requirements-bench.txt
	@$(BIN)/pip install --quiet -c constraints.txt -r $(VENV)/requirements-bench.txt
	@$(BIN)/python -m tests.benchmarks $(NAME)

# State in .paploop is never touched here; delete that folder by hand to begin anew.
.PHONY: clean
clean:
	rm -rf $(VENV) $(LABEL_STUDIO_VENV) build dist *.egg-info .coverage bench-results soak-results test-artifacts
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
