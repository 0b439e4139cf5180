# The verbs of this repository; `make` alone prints them. The work is done by the `trunkline` command.
# COMPILED=1 lets any of them run with the hot paths compiled (docs/compiled.md).
# Variables: ROUTING PORT INTERFACES WORKERS REDIS_URL PROMETHEUS (up, scale, worker), ARGS (the suites); others beside their verbs.
VENV := .venv$(if $(COMPILED),-compiled)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed$(subst /,-,$(PYTHON))
flag = $(if $($(1)),--$(2) '$($(1))')
# By environment and not as a flag: a URL may hold a password, and every user of a machine can read command lines.
ifdef REDIS_URL
export TRUNKLINE_REDIS_URL := $(REDIS_URL)
endif

help: ## print the verbs
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
install: $(STAMP) ## make .venv with the locked versions (PYTHON=python3.12 to choose; COMPILED=1: .venv-compiled)
$(STAMP): requirements.lock pyproject.toml deploy/install.sh $(if $(COMPILED),deploy/compiled.py $(shell find protocol interface worker deploy/trunkline -name __pycache__ -prune -o -type f -print))
	@PYTHON='$(PYTHON)' COMPILED='$(COMPILED)' deploy/install.sh && touch $@
up: install ## start the cluster in the background: ROUTING=examples.chat.routing PORT=8000 INTERFACES=2 WORKERS=2 PROMETHEUS=1
	@$(if $(PROMETHEUS),TRUNKLINE_PROMETHEUS='$(PROMETHEUS)') $(BIN)/trunkline up $(call flag,PORT,port) $(call flag,INTERFACES,interfaces) $(call flag,WORKERS,workers) \
	  '$(or $(ROUTING),examples.chat.routing)'
scale: install ## change the running cluster: WORKERS=4 INTERFACES=3
	@$(BIN)/trunkline scale $(call flag,INTERFACES,interfaces) $(call flag,WORKERS,workers)
status: install ## show every process, channel and dead letter of the cluster
	@$(BIN)/trunkline status
doctor: install ## look at the running cluster: what is wrong, the bottleneck, how to mend it (ARGS=--json)
	@$(BIN)/trunkline doctor $(ARGS)
top: install ## watch the running cluster: processes, rates, queues, routes (ARGS=--once)
	@$(BIN)/trunkline top $(ARGS)
logs: install ## show the last log lines (ARGS="--follow --role worker")
	@$(BIN)/trunkline logs $(ARGS)
down: install ## stop the cluster, gracefully
	@$(BIN)/trunkline down
worker: install ## one more worker of the running cluster, in this terminal
	@$(BIN)/trunkline worker $(ROUTING)
test: install ## the tests that need nothing but Python (ARGS="-k name")
	@$(BIN)/pytest -n 3 --cov $(ARGS) -m 'not browser and not compiled and not crash and not overload and not faults and not fuzz and not model and not instructions and not parts and not topologies'
compiled: ## workers and interface servers with the hot paths compiled; needs a C compiler
	@$(MAKE) install COMPILED=1 && .venv-compiled/bin/pytest -n 3 -o pythonpath=. tests/compiled tests/protocol tests/worker tests/interface tests/e2e tests/tracing $(ARGS)
lint: install ## formatting, ruff, mypy, pyright, import-linter
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/pyright && $(BIN)/lint-imports
browser: install ## the chat in real Chromium windows
	@$(BIN)/pytest -n 2 -m browser $(ARGS)
crash: install ## kill and stop real processes under load
	@$(BIN)/pytest -n 3 -m crash $(ARGS)
overload: install ## twice the load of the capacity, and clients that mean no good, on real processes
	@$(BIN)/pytest -m overload tests/overload $(ARGS)
faults: install ## every fault at every step of a message's life: TOPOLOGY=two, sentinel, cluster (ARGS="--fault-seed 123" replays a pair)
	@$(if $(TOPOLOGY),TRUNKLINE_TEST_TOPOLOGY='$(TOPOLOGY)' )$(BIN)/pytest -n 3 -m faults tests/faults $(ARGS)
soak: install ## a load that comes and goes, and a fault every few seconds: MINUTES=30 (ARGS="--seed 123" replays it)
	@$(BIN)/python -m tests.faults.soak $(call flag,MINUTES,minutes) $(ARGS)
model: install ## explore the model of the protocol: LONG=1 for many minutes (ARGS="--hypothesis-seed=1")
	@$(if $(LONG),TRUNKLINE_MODEL=long )$(BIN)/pytest -n 2 tests/model $(ARGS)
fuzz: install ## every reader under bytes that nobody meant: SECONDS=60 (ARGS="--fuzz-seed 123" replays it)
	@$(BIN)/pytest tests/fuzz --timeout 0 --fuzz-seconds $(or $(SECONDS),60) $(ARGS)
parts: install ## the real programs around a cluster: Prometheus, nginx, HAProxy, hadolint, Compose, Helm
	@deploy/tools.sh && $(BIN)/pytest -n 3 -m parts tests/parts $(ARGS)
topologies: install ## the same promises on two Redises, on Sentinel and on a Redis Cluster
	@$(BIN)/pytest -n 3 --dist loadgroup -m topologies tests/topologies $(ARGS)
instructions: install ## count the instructions of the hot paths under valgrind, and hold them against their gates
	@$(BIN)/pytest -m instructions tests/instructions $(ARGS)
bench: install ## measure the speed figures, beside other servers that it installs in .peers (ARGS=--quick: without; COMPILED=1)
	@$(BIN)/python -m benchmarks $(ARGS)
lock: ## take newer versions into requirements.lock (needs uv)
	@deploy/lock.sh --upgrade
clean: ## stop the cluster; remove .venv, .run and what the tools left
	@if [ -x $(BIN)/trunkline ]; then $(BIN)/trunkline down; fi
	@rm -rf .venv .venv-compiled .run .peers .tools dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
.PHONY: help install up scale status doctor top logs down worker test compiled lint browser crash overload faults soak model fuzz parts topologies instructions bench lock clean
