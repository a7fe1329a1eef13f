# gadget: build, ship and run eBPF programs as images. `make help` lists the targets.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOARCH  ?= $(shell $(GO) env GOARCH)

# One static binary, the same bytes wherever it is built. What runs during the build
# runs on this machine, whatever GOARCH says.
GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
HOSTGO  = env -u GOOS -u GOARCH CGO_ENABLED=0 $(GO)

.DEFAULT_GOAL := build

# ---- eBPF: third-party headers, own programs, built-in gadgets, binaries -------------------------
#
# headers.tar.zst   third-party headers (from Debian's packages) and gadgets/include
# tracker.bpf.o …   the runner's own programs
# layout/           images of the shipped gadgets, built by a first binary of ourselves
#
# All three are embedded, and none is committed.

HEADERS  := builder/embedded/headers.tar.zst
OWN      := runner/container/bpf/tracker.bpf.o runner/process/bpf/process.bpf.o runner/uprobe/bpf/inode.bpf.o
BUILTINS := cmd/gadget/builtin/layout
PACK     := builder/internal/pack
INCLUDES := $(wildcard gadgets/include/gadget/*.h)
GADGETS  := $(patsubst %/gadget.yaml,%,$(wildcard gadgets/*/gadget.yaml))
BUILDER  := $(wildcard builder/*.go schemas/*.go internal/plan/*.go registry/*.go)
# Images name the version of a release, and no commit: they stay the same until they change.
RELEASE  := $(shell git describe --tags --exact-match 2>/dev/null || echo v0.0.0)

##@ Build it

.PHONY: build
build: bpf ## The binary for this machine, with all that it embeds: bin/gadget
	$(GOBUILD) -o bin/gadget ./cmd/gadget

.PHONY: build-arm64
build-arm64: bpf ## The same for arm64: bin/gadget-arm64
	GOARCH=arm64 $(GOBUILD) -o bin/gadget-arm64 ./cmd/gadget

.PHONY: bpf
bpf: $(HEADERS) $(OWN) $(BUILTINS)/index.json ## What is embedded: headers, own programs, images of the shipped gadgets

.PHONY: headers
headers: $(HEADERS) ## Fetch the third-party eBPF headers and pack them with ours

.PHONY: build-packages
build-packages:
	@.ci/packages build

# Made anew when the script changes; the packages stay in the user's cache.
build/headers/.done: $(PACK)/fetch.sh .ci/deb | build-packages
	$(PACK)/fetch.sh build/headers
	@touch $@

$(HEADERS): build/headers/.done $(PACK)/main.go $(INCLUDES)
	$(HOSTGO) run ./$(PACK) build/headers gadgets/include $@

# It reads nothing that differs between machine types, so one object does for all.
$(OWN): %.o: %.c $(HEADERS) $(BUILDER) | build-packages
	$(HOSTGO) run ./builder/internal/object linux/amd64 $< $@

$(BUILTINS)/index.json: $(HEADERS) $(BUILDER) $(foreach g,$(GADGETS),$(wildcard $(g)/*.bpf.c $(g)/*.h $(g)/*.yaml)) | build-packages
	$(HOSTGO) build -ldflags "-X main.version=$(RELEASE)" -o build/gadget-first ./cmd/gadget
	rm -rf build/builtin
	for g in $(GADGETS); do \
		build/gadget-first --store build/builtin image build --strict -t $$(basename $$g) $$g || exit 1; \
	done
	rm -f build/builtin/*.lock
	rm -rf $(BUILTINS)/blobs
	cp -r build/builtin/blobs build/builtin/oci-layout $(BUILTINS)/
	chmod -R u+w $(BUILTINS)/blobs
	sed -e 's/"io.gadget.store.tagged":"[^"]*",//' build/builtin/index.json > $@

.PHONY: clean
clean: ## Remove what was built; downloaded packages stay in the cache
	rm -rf bin build $(HEADERS) $(OWN)
	find $(BUILTINS) -mindepth 1 ! -name README -delete

# ---- Project: use, check, measure -----------------------------------------------------------

PREFIX      ?= /usr/local
DESTDIR     ?=
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
CLANGFORMAT := clang-format-19
CSOURCES    = $(shell find gadgets runner builder internal cmd docs -name '*.bpf.c' -o -path 'docs/examples/*.c' -o -path "*gadgets/include/gadget/*.h" | grep -v -e '/build/')
TIMEOUT     ?= 20m

##@ Use it

.PHONY: demo
demo: ## Show it: build, start containers, trace what they run
	.ci/packages demo
	$(MAKE) --no-print-directory build
	docs/demo.sh bin/gadget

.PHONY: install
install: build ## Install the binary and shell completions below PREFIX (/usr/local)
	install -D -m 755 bin/gadget $(DESTDIR)$(PREFIX)/bin/gadget
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	bin/gadget completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gadget
	bin/gadget completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_gadget
	bin/gadget completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/gadget.fish

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-zA-Z0-9_.-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Check it

.PHONY: lint
lint: ## Formatting, vet, staticcheck, C style, and the laws of the tree
	.ci/packages lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "run: gofmt -w" $$(gofmt -l $$(git ls-files '*.go')); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(CLANGFORMAT) --dry-run --Werror $(CSOURCES)
	$(GO) test ./internal/law

.PHONY: format
format: ## Format Go and C
	gofmt -w $$(git ls-files '*.go')
	$(CLANGFORMAT) -i $(CSOURCES)

.PHONY: docs
docs: ## Write docs/cli anew from the commands, docs/api.md from the headers
	$(GO) test ./cmd/gadget -run '^TestReference$$' -update
	$(GO) test ./docs -run '^(TestAPI|TestSchema)$$' -update

.PHONY: test
test: ## Everything that runs on this machine; as root also with the kernel and containers
	.ci/packages test
	$(MAKE) --no-print-directory build
	$(GO) test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

.PHONY: test-full
test-full: test test-kernels test-interop test-runtimes ## test, then the kernels, other tools, runtimes, the tutorial, the race detector, every fuzz target for a minute
	$(GO) test -count=1 -tags tutorial ./docs -run '^TestTutorial$$' -args -gadget $(CURDIR)/bin/gadget
	$(GO) test -race -timeout $(TIMEOUT) ./...
	.ci/fuzz 60s

KERNELTEST = $(GO) test -count=1 -v -tags guests -timeout $(TIMEOUT) ./internal/guests -run '^TestKernels$$' -args -gadget $(CURDIR)/bin/gadget

FIRSTS = $(GO) test -count=1 -v -timeout $(TIMEOUT) ./runner/container

.PHONY: test-runtimes
test-runtimes: ## A hundred containers with each runtime, many starting at once, and containerd 2, which is fetched
	.ci/packages test
	GOBIN=$(CURDIR)/build/containerd $(GO) install github.com/containerd/containerd/v2/cmd/{containerd,containerd-shim-runc-v2}@v2.4.2
	$(FIRSTS) -run '^Test(Containerd|Runc)Containers$$' -args -firsts 100 -at-once 50
	$(FIRSTS) -run '^Test(Docker|Podman)Containers$$' -args -firsts 100 -at-once 10
	$(FIRSTS) -run '^TestContainerdContainers$$' -args -firsts 100 -at-once 50 -containerd $(CURDIR)/build/containerd

.PHONY: test-interop
test-interop: ## Move and sign images with oras, crane and cosign, which are fetched, and skopeo
	.ci/packages test
	PATH=$$(.ci/tools oras crane cosign cosign3):$$PATH $(GO) test -count=1 -tags interop ./registry ./cmd/gadget -run '^(TestTools|TestCosign)$$'

.PHONY: test-kernels
test-kernels: ## The shipped gadgets and every type of program on Debian kernels, in QEMU
	.ci/packages guests
	$(MAKE) --no-print-directory build build-arm64
	$(KERNELTEST)

.PHONY: docs-kernels
docs-kernels: ## The same, and write what was seen into docs/kernels.md
	.ci/packages guests
	$(MAKE) --no-print-directory build build-arm64
	$(KERNELTEST) -update

.PHONY: bench
bench: build ## Benchmarks; as root also events per second through a real ring buffer, memory and start-up
	$(GO) test -run '^$$' -bench . -benchmem ./...
	.ci/budget bin/gadget

.PHONY: bench-registry
bench-registry: build ## Push and pull of ten images side by side with oras and skopeo; a store of 3000 images
	.ci/packages test
	.ci/bench-registry bin/gadget
	$(GO) test -run '^$$' -bench LargeStore ./registry

