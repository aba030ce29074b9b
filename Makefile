# One Makefile, these targets. Each sets up what it needs (bootstrap.sh) or names what is missing.
#   make demo [ONCE=1] [ROUNDS=10] [CONTROLS=each]      make test [REQUIRE_ALL=1] [PYTEST="-k words"]

SHELL := /bin/sh
.DEFAULT_GOAL := help
RUN := .venv/bin
PYTEST ?=
FIRST := $(shell [ "$$(nice -n -5 nice 2>/dev/null)" = -5 ] && echo nice -n -5)
# What a run in CI spent its time on belongs into its log.
SLOWEST = $(if $(CI),--durations=60)
# With words to choose by, a leg that has no such test is no failure (5: pytest found nothing to run).
NONE_IS_FINE = $(if $(PYTEST),|| [ $$? -eq 5 ])
# What depends on the database; the rest would only be repeated on PostgreSQL. Of the stories the engine's own.
DATABASE_TESTS := $(wildcard tests/changes tests/client tests/inventory tests/metrics tests/notices tests/outward tests/people tests/crash tests/stories/test_story_on_sim.py tests/house/test_fixtures.py tests/house/test_processes.py)

# Marked `sqlite` as a whole; to load it only in order to leave it out costs ten seconds of CPU.
NOT_AGAIN := --ignore=tests/changes/test_api_schema.py

.PHONY: help bootstrap demo test test-ring test-ring-then-vm test-sqlite test-stories test-postgresql lint fix docs bench
.PHONY: test-vm test-vpp proof-faults proof-restore proof-long proof-scale proof-peers proof-security

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 18

bootstrap: ## Debian packages and .venv; quick when nothing is to do
	@./bootstrap.sh

demo: bootstrap ## drain, restart, verify and undrain a ring of real routers; then the pages, until Ctrl-C
	@$(RUN)/python -m lab.demo $(if $(ONCE),--once) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(CONTROLS),--controls $(CONTROLS))

test: bootstrap ## the whole suite: on SQLite, and what concerns the database again on PostgreSQL; legs side by side
	@echo "== four legs side by side; each prints what it has to say when it ends"
	@$(MAKE) --no-print-directory -j4 --output-sync=target $(if $(CI),test-ring-then-vm,test-ring) test-stories test-sqlite test-postgresql

# In CI behind the ring, the shortest leg: an emulated processor keeps one of ours busy for minutes, and the other legs
# the rest. Skipped by name where there is no QEMU or no kernel of Debian to be had.
test-ring-then-vm: bootstrap
	@$(MAKE) --no-print-directory test-ring
	@$(if $(PYTEST),true,env -u REQUIRE_ALL $(MAKE) --no-print-directory test-vm SHORT=1)

test-sqlite: bootstrap ## the suite on SQLite but for the stories
	@echo "== SQLite leg"
	@$(RUN)/python -m pytest tests --ignore=tests/stories $(SLOWEST) $(PYTEST) $(NONE_IS_FINE)

# The lab's routers keep time (BFD, hold timers) and its probes count what is lost: they go first where that is allowed.
test-ring: bootstrap ## the stories on the ring of real routers (SQLite)
	@echo "== ring leg"
	@$(FIRST) $(RUN)/python -m pytest tests/stories -m lab $(SLOWEST) $(PYTEST) $(NONE_IS_FINE)

test-stories: bootstrap ## the stories on the simulated fleet (SQLite)
	@echo "== stories leg"
	@$(RUN)/python -m pytest tests/stories -m "not lab" $(SLOWEST) $(PYTEST) $(NONE_IS_FINE)

test-postgresql: bootstrap ## the part that concerns the database, on PostgreSQL only
	@echo "== PostgreSQL leg; left out, about sqlite, run by the SQLite leg: $(patsubst --ignore=%,%,$(NOT_AGAIN))"
	@$(RUN)/python -m tests.postgresql $(RUN)/python -m pytest $(DATABASE_TESTS) $(NOT_AGAIN) $(SLOWEST) $(PYTEST) $(NONE_IS_FINE)

lint: bootstrap ## every static gate
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python manage.py makemigrations --check --dry-run
	$(RUN)/python -m docs.generate --check

fix: bootstrap ## what can be put right by itself
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

docs: bootstrap ## write the generated pages of docs/
	$(RUN)/python -m docs.generate

bench: bootstrap ## figures of DESIGN.md section 8: a table and var/bench/*.json
	@$(RUN)/python -m pytest tests/bench -s -o timeout=0 -o python_files='bench_*.py' $(PYTEST)

# An emulated processor needs two hours for all of these kernels (docs/kernel.md); CI runs the one that takes minutes.
test-vm: ## real kernels on a virtual machine in the ring: upgraded, panicking, hanging; two hours without KVM; SHORT=1: network boot alone
	@./bootstrap.sh vm
	@$(FIRST) $(RUN)/python -m pytest $(if $(SHORT),tests/vm/vm_netboot.py,tests/vm) -s -o timeout=0 -o python_files='vm_*.py' $(PYTEST)

# Not in CI: no registry that CI reaches has a VPP. Without SLIPWAY_VPP=PATH of a binary it is skipped by name.
test-vpp: bootstrap ## a real VPP in a network namespace: SLIPWAY_VPP=/path/of/vpp; applies, verifies, rolls back
	@$(RUN)/python -m pytest tests/vpp -s -rs -o timeout=0 -o python_files='vpp_*.py' $(PYTEST)

# Claims as figures: each writes its own section of docs/proof.md. Minutes to an hour; not in CI.
#   make proof-faults [SEED=1] [RUNS=2000]    make proof-scale [SIZES=1000,3000,10000] [WORKERS=1,2,4]
proof-faults: bootstrap ## whatever dies, is lost or lies in the middle of a change; judged by the devices' own journals
	@$(RUN)/python -m proof.faults $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

proof-restore: bootstrap ## a database restored from an hour ago looks and holds, and repeats nothing
	@$(RUN)/python -m proof.restore $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

#   make proof-long [LAB=ring] [MINUTES=60] [SEED=1] [EVERY=60]      a fault every so many seconds; ring: real routers
proof-long: bootstrap ## an hour of continuous changes with faults: memory, file descriptors, connections, rows
	@PYTHONPATH=client $(RUN)/python -m proof.long $(if $(LAB),--lab $(LAB)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(EVERY),--every $(EVERY))

proof-scale: bootstrap ## up to ten thousand devices, one, two and four worker processes
	@$(RUN)/python -m pytest tests/bench/bench_planning.py -q -s -o timeout=0 -o python_files='bench_*.py'
	@$(RUN)/python -m proof.scale $(if $(SIZES),--sizes $(SIZES)) $(if $(WORKERS),--workers $(WORKERS))

proof-peers: bootstrap ## the same change by Slipway, by ansible-core and by a nornir and netmiko script
	@$(RUN)/python -m proof.peers

proof-security: bootstrap ## what the attackers of docs/security.md would try, and what they reach
	@REQUIRE_ALL=1 $(RUN)/python -m proof.security
