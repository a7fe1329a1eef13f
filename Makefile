# gadget: build, ship and run eBPF programs as images. `make help` lists the targets.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOARCH  ?= $(shell $(GO) env GOARCH)

# One static binary, the same bytes wherever it is built.
GOBUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.DEFAULT_GOAL := build

# ---- eBPF: third-party headers, tracker, built-in gadgets, binaries -------------------------

HEADERS  := builder/embedded/headers.tar.zst
PACK     := builder/internal/pack
INCLUDES := $(wildcard gadgets/include/gadget/*.h)

.PHONY: headers
headers: $(HEADERS) ## Fetch the third-party eBPF headers and pack them, with ours, for embedding

# The stamp is made anew when the script changes; packages stay in the user's cache.
build/headers/.done: $(PACK)/fetch.sh
	$(PACK)/fetch.sh build/headers
	@touch $@

$(HEADERS): build/headers/.done $(PACK)/main.go $(INCLUDES)
	$(GO) run ./$(PACK) build/headers gadgets/include $@
