# Every target sets up what it needs. `make help` lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Where to find a build of torch without CUDA, see README "Installing": an index address, or any flags for pip.
TORCH_INDEX ?=
PIP_FLAGS ?=
PYTEST_FLAGS ?=
BENCH_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(PIP_FLAGS)
STORESIM := $(BIN)/storesim
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo bundled-model multistore-model category-priors test check bench-market bench-fidelity bench-realism bench-pairing bench-speed bench-soundness bench-paper \
	bench-paper-encoding bench-paper-policies bench-paper-written bench-paper-forms bench-paper-finetuning bench-paper-decoding bench-paper-throughput \
	format constraints clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(STAMP)  ## .venv with storesim and the developers' tools

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): about two minutes, 1.8 GB with the CPU build of torch ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(if $(TORCH_INDEX)$(PIP_FLAGS),,$(BIN)/python -m pip config list | grep -e find-links -e index >/dev/null \
		|| echo "Note: on Linux torch may bring CUDA libraries of several GB; README, Installing, says how not to.")
	$(PIP_INSTALL) -e '.[dev]'
	touch $@

demo: setup  ## would the snacks earn more on the front endcap? answer, pictures and report in results/demo/
	$(BIN)/python -m scenarios.snack_endcap results/demo-store
	$(STORESIM) ab --control bundled:supermarket --variant results/demo-store \
		--model bundled:supermarket --shoppers 2000 --replications 10 --seed 7 --workers 2 --out results/demo
	$(STORESIM) report --run results/demo

bundled-model: setup  ## make the bundled weights again: reference shoppers visit the supermarket, a model learns from them
	$(BIN)/python -m scenarios.observe bundled:supermarket runs/bundled/observations 8000 1
	$(STORESIM) train --store bundled:supermarket --observations runs/bundled/observations \
		--preset small --seed 1 --out models/bundled/supermarket

multistore-model: setup  ## make the bundled multi-store model again: 400 random stores, a network learns from all (20 minutes)
	$(BIN)/python -m scenarios.multistore models/bundled/multistore

category-priors: setup  ## estimate again what displays do to each category, from published receipts (two minutes, 4 GB)
	$(PIP_INSTALL) -e '.[dev,priors]'
	$(BIN)/python -m scenarios.category_priors models/priors/displays.json

test: setup  ## the test suite, on both cores
	$(BIN)/python -m pytest -q -n 2 $(PYTEST_FLAGS)

check: setup  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-market: setup  ## train on the developer stores, predict their changes, compare with the truth (half an hour)
	$(BIN)/python -m benchmarks.market $(BENCH_FLAGS)

bench-fidelity: setup  ## worlds with known truth and the developer stores, every predictor: are changes predicted? (hours; goes on where it was)
	$(BIN)/python -m benchmarks.fidelity $(BENCH_FLAGS)

bench-realism: setup  ## zone visits and purchases in layouts nobody has walked, beside their floors (half an hour; goes on where it was)
	$(BIN)/python -m benchmarks.fidelity.realism $(BENCH_FLAGS)

bench-pairing: setup  ## how alike paired shoppers are in two layouts, and how many shoppers that saves
	$(BIN)/python -m benchmarks.fidelity.pairing $(BENCH_FLAGS)

bench-speed: setup  ## speed, growth, killed workers, held against bars (a quarter of an hour; BENCH_FLAGS=--quick for a look)
	$(BIN)/python -m benchmarks.speed $(BENCH_FLAGS)
	$(BIN)/python -m benchmarks.speed.scale

bench-soundness: setup  ## positions, purchases, money and reproducibility: what must hold, counted
	$(BIN)/python -m benchmarks.soundness $(BENCH_FLAGS)

bench-paper: bench-paper-encoding bench-paper-policies bench-paper-written bench-paper-forms bench-paper-finetuning bench-paper-decoding bench-paper-throughput  ## all experiments on the paper's method (two hours)

bench-paper-encoding: setup  ## stops by DBSCAN against purchases; lengths and tokens of journeys as text
	$(BIN)/python -m benchmarks.paper.encoding $(BENCH_FLAGS)

bench-paper-policies: setup  ## every policy against held-out days: divergences beside their noise floors
	$(BIN)/python -m benchmarks.paper.policies --replications 6 $(BENCH_FLAGS)

bench-paper-written: setup  ## what the language models write by themselves, beside held-out journeys
	$(BIN)/python -m benchmarks.paper.as_written $(BENCH_FLAGS)

bench-paper-forms: setup  ## a fix every 5 s, or time words: which form of the text serves better
	$(BIN)/python -m benchmarks.paper.forms $(BENCH_FLAGS)

bench-paper-finetuning: setup  ## how many visits of a new store are enough
	$(BIN)/python -m benchmarks.paper.finetuning $(BENCH_FLAGS)

bench-paper-decoding: setup  ## our decoder against generate() of transformers, tokens a second
	$(BIN)/python -m benchmarks.paper.decoding $(BENCH_FLAGS)

bench-paper-throughput: setup  ## our training loop against a Trainer of transformers, tokens a second
	$(PIP_INSTALL) -e '.[dev,bench]'
	$(BIN)/python -m benchmarks.paper.throughput $(BENCH_FLAGS)

format: setup  ## let ruff put the format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: setup  ## write constraints.txt anew from what is installed
	{ head -n 1 constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/^\(torch==[0-9.]*\)+[a-z0-9]*/\1/'; } > constraints.new
	mv constraints.new constraints.txt

clean:  ## remove the environment, caches and results
	rm -rf $(VENV) build dist storesim.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis results
