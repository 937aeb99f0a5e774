# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# cpu or gpu: which of the two exclusive runtimes is installed; what is there stays, cpu is first
EXTRA ?= $(patsubst .venv/installed-%,%,$(firstword $(wildcard .venv/installed-*) .venv/installed-cpu))
BIN := .venv/bin
STAMP := .venv/installed-$(EXTRA)
BENCHES := $(filter-out table,$(basename $(notdir $(wildcard bench/*.py))))
SOURCES := service tests bench tools docs/examples

.PHONY: help install demo serve test fuzz check check-deploy bench faults proto docs clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@sed -n 's/^\([a-z%-]*\):.*##/\1\t/p' Makefile | expand -t 16

install: $(STAMP)  ## create .venv with everything (EXTRA=gpu for the CUDA runtime)

$(STAMP): pyproject.toml tools/install.sh
	@PYTHON="$(PYTHON)" sh tools/install.sh "$(EXTRA)"
	@touch $@

demo: install  ## run the service on its defaults, send it the case phantom, show what comes out
	@$(BIN)/millet demo

serve: install  ## run the service in the foreground (CONFIG=FILE for a configuration)
	@$(BIN)/millet serve $(if $(CONFIG),--config "$(CONFIG)")

test: install  ## install what the tests need, run all tests
	@sh tools/test.sh

check: install  ## lint, formatting, types, house rules, proto lint
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pytest -q tests/house
	@sh tools/buf_lint.sh

check-deploy: install  ## render and validate chart, compose and rules; run the image's install steps
	@sh tools/check_deploy.sh

bench: $(foreach name,$(BENCHES),bench-$(subst _,-,$(name)))  ## run every benchmark

bench-detector-full: install  ## judge the detector on everything; goes on where it was stopped
	@sh tools/alone.sh $(BIN)/python bench/detector.py --size full

fuzz: install  ## send mutated objects and associations for MINUTES (default 1) from a SEED (default 1)
	@sh tools/alone.sh $(BIN)/python bench/fuzz.py

bench-%: install  ## run one benchmark: bench-NAME runs bench/NAME.py
	@sh tools/alone.sh $(BIN)/python bench/$(subst -,_,$*).py

faults: install  ## play SEEDS=200 seeds of faults against a ledger (FIRST=1 JOBS=cores ANEW=1); goes on where it was stopped
	@PYTHONPATH=tests sh tools/alone.sh $(BIN)/python -m faults --seeds $(or $(SEEDS),200) --first $(or $(FIRST),1) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(ANEW),--anew)

proto: install  ## regenerate the gRPC code from proto/
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Imillet/proto=proto \
		--python_out=service --grpc_python_out=service --mypy_out=quiet:service --mypy_grpc_out=quiet:service \
		$(patsubst proto/%,millet/proto/%,$(wildcard proto/millet/v1/*.proto proto/inference/*.proto))

docs: install  ## rewrite what is generated of the documents: the README's code map, the picture of the architecture
	@$(BIN)/python tools/code_map.py
	@$(BIN)/python tools/architecture.py

clean:  ## remove what was built or installed here
	rm -rf .venv .tools build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
