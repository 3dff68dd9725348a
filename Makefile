# The words people type. Everything below runs with the Node.js that package-lock.json pins.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# Not the tsx command: it would end what it started before that has cleaned up after a Ctrl-C.
TSX := node --import=tsx

.PHONY: help up down status env job test test-long test-one check preview new-stack bench docs format

help: ## list these words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# On stderr: what `make -s env` prints is for the shell.
node_modules/.installed: package.json package-lock.json lab/package.json
	@npm ci --no-audit --no-fund --loglevel=error >&2
	@touch $@

up: node_modules/.installed ## bring the lab up, deploy stack dev on it, build and push an image, print its digest
	@$(TSX) lab/lab.ts up

down: node_modules/.installed ## remove the lab: nothing of it stays but the cache of built things
	@$(TSX) lab/lab.ts down

status: node_modules/.installed ## say what of the lab is there and healthy
	@$(TSX) lab/lab.ts status

env: node_modules/.installed ## print what leads pulumi, docker and kubectl to the lab: eval "$(make -s env)"
	@$(TSX) lab/lab.ts env

job: node_modules/.installed ## build and push an image on the running lab; WAY=dind names how (default: the stack's first runner; a way that dev has not brings stack ways)
	@$(TSX) lab/lab.ts job $(if $(WAY),--way '$(WAY)')

test: node_modules/.installed ## check, then everything on the lab, which is removed at the end (KEEP=1 keeps it)
	@$(TSX) test/run.ts

test-long: node_modules/.installed ## what takes too long for every change, on the lab, which is removed at the end
	@$(TSX) test/run.ts --long

test-one: node_modules/.installed ## run one test file with what it needs: FILE=test/…/x.test.ts, and GREP=words of its titles
	@$(TSX) test/run.ts --file '$(FILE)' $(if $(GREP),--grep '$(GREP)')

check: node_modules/.installed ## types, lint, format and unit tests: no lab needed
	@$(TSX) test/run.ts --no-lab

preview: node_modules/.installed ## say in words what pulumi up would do to STACK, and write it to preview/ for a merge request
	@$(TSX) ci/preview.ts --stack '$(STACK)' || test $$? = 2 # 2: there are changes

# Not NAME of the environment: some systems have one.
new-stack: node_modules/.installed ## make the stack file of another cluster by a few questions, or by flags: NAME=home ARGS="--gitlab …"; ARGS=--help
	@$(TSX) config/newStack/main.ts $(if $(filter command line,$(origin NAME)),--name '$(NAME)') $(ARGS)

bench: node_modules/.installed ## measure what docs/benchmarks.md shows
	@$(TSX) bench/bench.ts

docs: node_modules/.installed ## write docs/reference, the schemas and the other generated files again
	@$(TSX) config/generate.ts
	@$(TSX) templates/generate.ts

format: node_modules/.installed ## rewrite every file in the project's format
	@prettier --write --log-level=warn .
