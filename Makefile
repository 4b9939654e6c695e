# Everything in one word each; `make help` lists them. The first use makes a virtual environment in .venv and fills
# it; later ones reuse it without a network, and install again only when pyproject.toml changed.

PYTHON  ?= python3
PROFILE ?= quick
JOBS    ?= 2
ARGS    ?=

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/installed
START := $(shell date +%s)

# $(call step,heading,command): says what comes, runs it, says how long it took. Stops at the first failure.
step = @printf '\n== %s\n' '$(1)'; begin=$$(date +%s); $(2) && printf -- '-- %s: %d s\n' '$(1)' $$(($$(date +%s) - begin))
total = @printf '\n== %s: %d s in all\n' '$(1)' $$(($$(date +%s) - $(START)))

.DEFAULT_GOAL := help
.PHONY: help setup figures test lab book bench refresh clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## the virtual environment in .venv and all that colorlib needs

# A half-made environment (an interrupted first run, a Python that is gone) has no working pip: it is made again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 14) or sys.exit("colorlib needs Python 3.11 to \
	3.14, and $(PYTHON) is " + sys.version.split()[0] + ": name another one, as in make PYTHON=python3.12")'
	@$(PYTHON) -c 'import platform, sys; (sys.platform, platform.machine()) == ("darwin", "x86_64") and sys.exit("colorlib \
	needs PyTorch 2.13, and there is none later than 2.2.2 for Macs with Intel processors")'
	$(call step,virtual environment in $(VENV),{ $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV); })
	$(call step,installing what pyproject.toml lists (the first time this downloads PyTorch),$(BIN)/python -m pip install --no-input --quiet -e '.[dev]')
	@touch $@

figures: $(STAMP) ## run the whole workbook on the bundled photos and model: notebooks to build/, figures to figures/
	$(call step,workbook ($(PROFILE)),$(BIN)/colorlib workbook --profile $(PROFILE) --jobs $(JOBS) $(ARGS))
	$(call total,make figures)

# nbval takes seconds to import in every process, and only its own step has a use for it.
test: $(STAMP) ## every check: style, types, tests, and all notebooks twice (papermill and nbval)
	$(call step,ruff check,$(BIN)/ruff check .)
	$(call step,ruff format --check,$(BIN)/ruff format --check .)
	$(call step,mypy,$(BIN)/mypy)
	$(call step,pytest,OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:nbval -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS))
	$(call step,workbook (quick),COLORLIB_FIGURES="$(CURDIR)/build/test/figures" $(BIN)/colorlib workbook --profile quick --jobs $(JOBS))
	$(call step,nbval,COLORLIB_FIGURES="$(CURDIR)/build/test/figures" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --nbval-lax --nbval-current-env notebooks)
	$(call total,make test)

# Photos come as one message each, and Tornado takes 10 MiB where nobody says otherwise: larger ones would vanish.
lab: $(STAMP) ## open the workbook in JupyterLab
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb '--ServerApp.tornado_settings={"websocket_max_message_size": 200000000}' $(ARGS)

book: $(STAMP) ## the course, the library and all figures as a site with search: build/book/html/index.html
	$(call step,site,$(BIN)/python docs/book.py $(ARGS))

bench: $(STAMP) ## measure what is fast, on this machine: benchmarks/results.json and results.md
	$(call step,benchmarks,$(BIN)/python -m benchmarks.run $(ARGS))

refresh: $(STAMP) ## run the notebooks again and write their outputs into notebooks/, figures into figures/
	$(call step,workbook (quick; written back),$(BIN)/colorlib workbook --profile quick --jobs $(JOBS) --refresh $(ARGS))

clean: ## remove what the other targets made, except .venv
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +
