# The words people type. Everything below runs with the Node.js that package-lock.json pins.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# Not the tsx command: it would end what it started before that has cleaned up after a Ctrl-C.
TSX := node --import=tsx

.PHONY: help up down status test check bench format

help: ## list these words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

node_modules/.installed: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

up: node_modules/.installed ## bring the lab up, deploy stack dev on it, build and push an image, print its digest
	@$(TSX) lab/lab.ts up

down: node_modules/.installed ## remove the lab: nothing of it stays but the cache of built things
	@$(TSX) lab/lab.ts down

status: node_modules/.installed ## say what of the lab is there and healthy
	@$(TSX) lab/lab.ts status

check: node_modules/.installed ## types, lint, format and unit tests: no lab needed
	@$(TSX) test/run.ts --no-lab

test: node_modules/.installed ## check, then everything on the lab, which is removed at the end (KEEP=1 keeps it)
	@$(TSX) test/run.ts

bench: node_modules/.installed ## measure what docs/benchmarks.md shows
	@$(TSX) bench/bench.ts

format: node_modules/.installed ## rewrite every file in the project's format
	prettier --write --log-level=warn .
