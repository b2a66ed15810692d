# `make` alone lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PACKAGES := $(VENV)/.packages
READY  := $(VENV)/.ready
COMPILED := $(VENV)/.compiled
RELEASE := .venv-release
RELEASE_READY := $(RELEASE)/.ready
COVERAGE := $(CURDIR)/$(VENV)/coverage
STATE  ?= expired
K8S    ?= 1.37.2
# What the long tier runs besides: all other versions that the bed can be made of, for what versions do differently.
OTHERS ?= 1.36.3 1.35.4 1.34.4
# Tests run in that many processes, more than the cores: some of their time they wait. Those of one file of the e2e tests stay together: they
# tell one story, on a lab for each process.
JOBS   ?= 6
LABS   ?= 6
APART  := -n $(JOBS) --dist worksteal
BY_FILE := -n $(LABS) --dist loadfile
# Power cuts, faults at every other state of a node's change, kills and signals at any moment, edits of every field of a plan: minutes of disks,
# shells and processes, which nothing else needs.
CRASHES := tests/powercut tests/faults tests/rollout/test_every_end_of_a_run_is_reached.py tests/rollout/test_every_field_of_a_plan.py tests/cli/test_a_signal_in_the_middle_of_a_task.py
APART_FROM_CRASHES := $(CRASHES:%=--ignore=%)
# Faults in the cluster, on a lab of thirteen nodes, and kills of verbs: two files, and so two processes, which mostly wait.
FAULTS := tests/e2e/test_8_faults_in_the_cluster.py tests/e2e/test_8_killed_anywhere.py
ON_A_LAB := --cluster=lab $(FAULTS:%=--ignore=%) tests/e2e lab/tests/scenarios
# It comes first: it waits for most of a minute, while the others run.
STORY  := tests/e2e/test_1_story.py::test_from_0_of_3_to_kubectl_top_without_a_dark_handshake
# Tests start programs by the thousand: what Python has compiled is kept, wherever this runs.
unexport PYTHONDONTWRITEBYTECODE
# What runs on the bed needs the container image before, where it can be built: inside the bed's network nothing can be fetched.
IMAGE_BEFORE := $(if $(filter x86_64,$(shell uname -m)),image)

.DEFAULT_GOAL := help
.PHONY: ci-busy ci-waiting deploy charts-check image image-lock lab-e2e lab-faults lab-long lab-soak demo picture docs story bench bench-approver bench-apply bench-doctor bench-flood bench-metrics bench-plan help test coverage crashes crashes-long check format locks clean oracle real real-long real-build release release-check release-long real-up real-state real-down year
.DELETE_ON_ERROR:

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# From nothing but Python, venv and make: the locked packages, each checked by its hash.
$(PACKAGES): locks/dev.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r locks/dev.txt
	@touch $@

# Then this tree itself: kubevouch and its lab.
$(READY): $(PACKAGES) pyproject.toml lab/pyproject.toml
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . --editable ./lab
	@touch $@

# pytest compiles the tests for their asserts: here once, else in each of its processes at the same time. What is wrong with one is told later.
$(COMPILED): $(READY)
	$(BIN)/python -m pytest -q --collect-only tests lab/tests > /dev/null || true
	@touch $@

# The rules of the house are tests of `check`.
test: $(COMPILED) ## all tests that need no root and no cluster, and the story on a lab (4 minutes on 2 cores)
	$(BIN)/python -m pytest $(APART) --cluster=lab --ignore=tests/house $(APART_FROM_CRASHES) $(STORY) tests lab/tests

crashes: $(READY) ## cut the power at every write of a node's change, and try kills, signals and faults in the middle of it (root, Linux, Go)
	$(BIN)/python -m pytest $(APART) $(CRASHES)

crashes-long: $(READY) ## the same on XFS and btrfs, at every state under each shell, and what a real systemd starts after a power cut (an hour)
	$(BIN)/python -m pytest $(APART) -m long $(CRASHES)

lab-e2e: $(READY) ## the e2e tests that `make real` does not run, and the story, on labs; every scenario of a lab
	$(BIN)/python -m pytest $(BY_FILE) -m "not long and not long_on_a_lab" $(ON_A_LAB)

lab-long: $(READY) ## all e2e tests that a lab can play
	$(BIN)/python -m pytest $(BY_FILE) -m "not long" --forms=319 $(ON_A_LAB)

lab-faults: $(READY) ## faults in the cluster during a roll-out, on a lab of thirteen nodes, and kills of any verb (some 10 minutes, mostly of waiting)
	$(BIN)/python -m pytest -n 2 --dist loadfile --cluster=lab -m "not long" $(FAULTS)

# The tests of `test` but the story, under coverage.py, their processes too.
coverage: $(READY) ## what the tests of test cover, room by room
	rm -rf $(COVERAGE)
	mkdir -p $(COVERAGE)
	COVERAGE_FILE=$(COVERAGE)/data $(BIN)/coverage run -m pytest $(APART) --ignore=tests/house $(APART_FROM_CRASHES)
	$(BIN)/coverage combine -q --data-file=$(COVERAGE)/all $(COVERAGE)/data.*
	$(BIN)/coverage json -q --data-file=$(COVERAGE)/all -o $(COVERAGE)/all.json
	$(BIN)/python -m tests.house.coverage_by_room $(COVERAGE)/all.json

ci-busy: ## the side of .ci/run that keeps the cores busy
	KUBEVOUCH_LAB_BLOCKS=16-127 nice $(MAKE) --jobs=1 charts-check crashes coverage lab-e2e

ci-waiting: ## the side of .ci/run that mostly waits
	KUBEVOUCH_LAB_BLOCKS=128-239 $(MAKE) --jobs=1 real lab-faults

check: $(READY) ## ruff, mypy --strict, the import contracts, the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

locks: ## resolve the locks anew (needs uv)
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o locks/kubevouch.txt
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o locks/dev.txt
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -c locks/kubevouch.txt --group release pyproject.toml -o locks/release.txt

# Linux on x86_64, with apt and dpkg-deb; no root, no container engine. See docs/internals/image.md.
image: $(READY) ## build the container image and its bill of materials into dist/
	$(BIN)/python -m image build

image-lock: $(READY) ## resolve the locks of image/ anew: Debian's newest versions, and the wheels of locks/kubevouch.txt
	$(BIN)/python -m image lock

# The tools that build a release, in an environment of their own.
$(RELEASE_READY): locks/release.txt
	$(PYTHON) -m venv --clear $(RELEASE)
	$(RELEASE)/bin/pip install --quiet --require-hashes -r locks/release.txt
	@touch $@

# Linux on x86_64; see docs/internals/release.md.
release: $(RELEASE_READY) ## build all of dist/ from the tag of this commit, twice, and compare [REGISTRY=registry.example.com/team] [DOWNLOADS=https://...]
	$(RELEASE)/bin/python -m release build $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(DOWNLOADS),--downloads $(DOWNLOADS))

release-check: $(RELEASE_READY) ## verify dist/ without a network, and print what a maintainer has still to do
	$(RELEASE)/bin/python -m release check

release-long: $(READY) $(RELEASE_READY) ## build a release of this commit, and use what is in it as strangers do
	$(BIN)/python -m pytest -m long tests/release

# Real Helm and promtool, built from their modules where the cache lacks them (Go).
deploy: $(READY) ## write the dashboards into the charts, and deploy/ from the charts, with real Helm
	$(BIN)/python -m real.dashboards
	$(BIN)/python -m real.charts

charts-check: $(READY) ## lint and render the charts with real Helm, compare deploy/ and the dashboards, try the alert rules with real promtool
	$(BIN)/python -m pytest -q tests/charts

docs: $(READY) ## write docs/reference (command line, findings, metrics) and the tables of faults and kubeconfigs
	$(BIN)/python -m demo.reference
	$(BIN)/python -m tests.faults.cases
	$(BIN)/python -m tests.kubeconfig.table

oracle: $(READY) ## judge the corpus anew with Go and record its answers
	$(BIN)/python -m real.oracle.corpus

demo: $(READY) $(if $(BED),$(IMAGE_BEFORE)) ## tell the story on a lab of its own, in some two minutes [FAST=1] [BED=1: on the bed]
	$(if $(BED),$(BIN)/python -m real story $(if $(FAST),--fast),FAST=$(FAST) $(BIN)/python -m demo)

picture: $(READY) ## tell the story on a lab, and write its page and the README's picture anew
	$(BIN)/python -m demo.picture docs/demo.svg docs/story.md

story: $(READY) $(IMAGE_BEFORE) ## boot the bed and tell the story on it: from 0/3 to a rotation that the approver approves [FAST=1]
	$(BIN)/python -m real story $(if $(FAST),--fast)

# The bed: a real kubeadm cluster of four machines on this one. Root, Linux and Go; see docs/internals/bed.md.
real: $(READY) $(IMAGE_BEFORE) ## boot the bed, run the e2e tests inside its network, take it down
	$(BIN)/python -m real run --kubernetes $(K8S)

real-long: $(READY) $(IMAGE_BEFORE) ## the same with the long tests too, and some of them on other versions of Kubernetes
	$(BIN)/python -m pytest $(APART) --hypothesis-profile=long -m "long or hypothesis" $(APART_FROM_CRASHES)
	$(MAKE) release-long
	$(MAKE) crashes-long
	$(MAKE) lab-long
	$(BIN)/python -m real run --kubernetes $(K8S) --long
	$(BIN)/python -m pytest --cluster=lab -m long tests/e2e/test_10_alerts.py tests/e2e/test_10_dashboards.py
	$(MAKE) year
	$(foreach each,$(OTHERS),$(BIN)/python -m real run --kubernetes $(each) --long -- -m as_the_version_is &&) true

lab-soak: $(READY) ## an hour of rotations on a lab [KUBEVOUCH_SOAK_MINUTES=60]
	$(BIN)/python -m pytest -s --cluster=lab -m long tests/e2e/approver/test_4_long.py -k rotations

# Needs Go and a C compiler; half an hour on two idle cores.
year: $(READY) ## a year of fifty nodes in half an hour, unattended, with our three servers and a real Prometheus [ARGS="--days 30 --nodes 10"]
	$(BIN)/python -m year $(ARGS)

real-build: $(READY) ## build what the cache lacks of the bed, of Helm, of promtool and of the power-cut test (10 to 20 minutes), and boot nothing [K8S=1.37.2]
	$(BIN)/python -m real build --kubernetes $(K8S)

real-up: $(READY) ## boot the bed [STATE=expired|no-ip-sans|pending|rotated-expired|healthy] [K8S=1.37.2]
	$(BIN)/python -m real up --state $(STATE) --kubernetes $(K8S)

real-state: $(READY) ## bring the running bed into STATE
	$(BIN)/python -m real state --state $(STATE)

real-down: $(READY) ## take the bed down
	$(BIN)/python -m real down

bench: $(READY) ## speed as ratios against named peers; doctor where a bed is up
	$(BIN)/python -m bench

# On a lab; on the bed that is up: .venv/bin/python -m real exec -- .venv/bin/python -m bench.approver
bench-approver: $(READY) ## the approver against unchecked PUTs of /approval: rate, calls, each rule, p99, memory
	$(BIN)/python -m bench.approver

# On the bed also --parts limit: ten minutes with 20,000 CSRs held, at the Deployment's memory, in a cgroup.
bench-flood: $(READY) ## the approver while nodes flood it: memory, time until ready, p99 of honest CSRs
	$(BIN)/python -m bench.approver_flood

bench-doctor: $(READY) ## doctor on labs of 1,000 and 5,000 nodes: time, CPU, memory, and what the lab takes
	$(BIN)/python -m bench.doctor

bench-apply: $(READY) ## apply on a lab of 200 nodes, several at once against one after the other: time, CPU, memory
	$(BIN)/python -m bench.apply

bench-plan: $(READY) ## plan -o of 500, 1,000 and 2,000 simulated nodes whose surveys are replayed: time, CPU, memory (needs Go)
	$(BIN)/python -m bench.plan

# Needs Go, and no bed: `.venv/bin/python -m bench.metrics --help` tells how to run a part of it, or another server.
bench-metrics: $(READY) ## the metrics server against the real one, before the same 4, 100, 1,000 and 5,000 simulated kubelets
	$(BIN)/python -m bench.metrics

clean: ## remove the virtual environment and what tools left here
	rm -rf $(VENV) $(RELEASE) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
