# make demo and make test need Node 20 with npm, Go 1.26 and git 2.39, or newer. The rest comes with npm.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

IMAGE ?= nopea:0.1.0
KIND_CLUSTER ?= nopea
# own: a control plane of the project's own, started and stopped by the run.
# current: the cluster of the current kubeconfig context.
CLUSTER ?= own
# 1: leave the demo's world running until Ctrl-C.
KEEP ?=
# 1: answer yes to every question.
YES ?=
# Passed on to vitest.
TEST_ARGS ?=
export CLUSTER KEEP YES

INSTALLED := node_modules/.installed
SOURCES := $(shell find src -name '*.ts' 2>/dev/null) package.json rolldown.config.ts

.PHONY: help demo test check fmt lint build sbom bench cluster docker deploy undeploy kind-up clean
.PHONY: need-node need-git need-go need-plane need-kubectl

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST)) | sed 's|$$(IMAGE)|$(IMAGE)|'

demo: need-git need-plane $(INSTALLED) dist/nopea.js ## Show what NOPEA does, on a real API server and Git server (KEEP=1, CLUSTER=current)
	@npm run --silent demo

test: need-git need-plane $(INSTALLED) dist/nopea.js ## Run every test, those on a real API server too
	@echo "running every test, or those of TEST_ARGS; all of them take about half an hour on two cores"
	@npm test --silent -- $(TEST_ARGS)

check: need-git $(INSTALLED) ## Format, lint, types, unit and architecture tests (under a minute)
	@npm run --silent check

fmt: $(INSTALLED) ## Format and fix what can be fixed
	@npm run --silent fmt

lint: $(INSTALLED) ## Report what fmt would change or cannot fix
	@npm run --silent lint

build: dist/nopea.js ## Bundle dist/nopea.js (run it by npx -c 'node dist/nopea.js --help')

sbom: $(INSTALLED) ## Write dist/sbom.cdx.json, what the bundle is made of (CycloneDX)
	@npm run --silent sbom

bench: need-git need-plane $(INSTALLED) dist/nopea.js ## Measure against bare requests on the same machine
	@npm run --silent bench

cluster: need-plane $(INSTALLED) ## Run a control plane until Ctrl-C
	@npm run --silent cluster

docker: ## Build the image $(IMAGE)
	docker build --tag $(IMAGE) .

kind-up: ## Create a kind cluster and load the image into it
	@command -v kind >/dev/null || { echo "make: kind is needed (https://kind.sigs.k8s.io)" >&2; exit 1; }
	kind get clusters | grep -qx '$(KIND_CLUSTER)' || kind create cluster --name '$(KIND_CLUSTER)'
	$(MAKE) docker
	kind load docker-image '$(IMAGE)' --name '$(KIND_CLUSTER)'

# What deploy/ says of these objects is NOPEA's to say, also where kubectl apply or scale said it before.
deploy: need-kubectl ## Install NOPEA into the current context, with the image $(IMAGE)
	@$(ask)
	@kubectl kustomize deploy | sed -E 's|^( *image: )"?nopea(:[^"]*)?"?$$|\1$(IMAGE)|' | kubectl apply --server-side --force-conflicts -f -
	@kubectl --namespace nopea-system rollout status deployment/nopea --timeout=120s

# GitRepositories go first, while the controller still runs and can release their finalizers.
undeploy: need-kubectl ## Remove NOPEA and every GitRepository from the current context
	@$(ask)
	@! kubectl get crd gitrepositories.nopea.false.systems >/dev/null 2>&1 || \
	kubectl delete gitrepositories.nopea.false.systems --all --all-namespaces --timeout=180s
	@kubectl delete --ignore-not-found -k deploy
	@kubectl delete --ignore-not-found -k deploy/restricted

clean: ## Remove what was built and installed
	rm -rf dist node_modules coverage

# npm install and not npm ci: the lock names the platform packages of this project's tools for the
# platforms it was written on, and npm ci refuses a lock that lacks the optional ones of others.
# --no-save keeps to the versions and digests of the lock and leaves it as it is.
$(INSTALLED): package-lock.json | need-node
	@echo "installing the packages of package-lock.json"
	@npm install --no-save --no-progress --loglevel=error
	@node_modules/.bin/node --version | grep -Eq '^v(2[6-9]|[3-9][0-9])' || \
	{ echo "make: the Node 26 of npm's package \"node\" did not install; it needs its preinstall script (npm config get ignore-scripts)" >&2; exit 1; }
	@touch $@

dist/nopea.js: $(SOURCES) | $(INSTALLED)
	@echo "bundling dist/nopea.js"; npm run --silent build >/dev/null

define ask
context=$$(kubectl config current-context) || exit 1; \
echo "context $$context, image $(IMAGE)"; \
[ "$(YES)" = 1 ] || { printf 'Go on? [y/N] '; read -r answer; [ "$$answer" = y ]; } || { echo stopped >&2; exit 1; }
endef

# $(call need,program,version as a command,oldest version,what to do)
define need
found=$$($(2) 2>/dev/null | sed -n 's/[^0-9]*\([0-9][0-9.]*\).*/\1/p' | head -n 1); \
[ -n "$$found" ] || { echo "make: $(1) $(3) or newer is needed: $(4)" >&2; exit 1; }; \
[ "$$(printf '%s\n' $(3) "$$found" | sort -V | head -n 1)" = $(3) ] || { echo "make: $(1) $(3) or newer is needed, this is $$found: $(4)" >&2; exit 1; }
endef

need-node:
	@$(call need,Node,node --version,20,https://nodejs.org)
	@$(call need,npm,npm --version,10,it comes with Node)

need-git:
	@$(call need,git,git version,2.39,https://git-scm.com)

need-go:
	@$(call need,Go,go env GOVERSION,1.26,https://go.dev/dl)

need-kubectl:
	@command -v kubectl >/dev/null || { echo "make: kubectl is needed: https://kubernetes.io/docs/tasks/tools" >&2; exit 1; }

ifneq ($(CLUSTER),current)
ifeq ($(NOPEA_TEST_KUBECONFIG)$(KUBEBUILDER_ASSETS),)
need-plane: need-go
	@cache="$${XDG_CACHE_HOME:-$$HOME/.cache}/nopea"; [ -n "$$(ls "$$cache" 2>/dev/null)" ] || \
	echo "The first run compiles a Kubernetes control plane with Go: about ten minutes on two cores, then it is kept in $$cache."
endif
endif
need-plane:
