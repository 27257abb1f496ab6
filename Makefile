# The commands of the README, and what a maintainer runs before a commit.
# `demo` and `test` set up what they need, engines included, and say so before they do.

CARGO ?= cargo
PREFIX ?= /usr/local
TARGET_DIR = $${CARGO_TARGET_DIR:-target}

# The target of a static binary, if Rust's standard library for it is installed.
MUSL := $(shell uname -m)-unknown-linux-musl
STATIC := $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL) 2>/dev/null)),$(MUSL))

# What is installed. If you name a binary, nothing is built.
BINARY ?=
INSTALLED = $(or $(BINARY),$(TARGET_DIR)/$(if $(STATIC),$(STATIC)/)release/stagex)

.PHONY: help build install deb demo test lint

help:
	@echo 'make build     builds the program'
	@echo 'make install   installs the program, its manual pages and completions (PREFIX, DESTDIR)'
	@echo 'make deb       makes a Debian package (needs cargo-deb)'
	@echo 'make demo      builds the example tree with the first runtime that is ready, compares its digests'
	@echo 'make test      sets up every engine and runs all tests'
	@echo 'make lint      rustfmt and clippy, as CI runs them'

build:
	$(CARGO) build --release --bin stagex $(if $(STATIC),--target $(STATIC))

install: $(if $(BINARY),,build)
	install -D -m 755 "$(INSTALLED)" "$(DESTDIR)$(PREFIX)/bin/stagex"
	install -d "$(DESTDIR)$(PREFIX)/share/man/man1" \
	  "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	  "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" \
	  "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	"$(INSTALLED)" manual "$(DESTDIR)$(PREFIX)/share/man/man1"
	"$(INSTALLED)" completions bash >"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stagex"
	"$(INSTALLED)" completions zsh >"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_stagex"
	"$(INSTALLED)" completions fish >"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stagex.fish"

# cargo-deb takes the files from target/deb, which cli/Cargo.toml names.
deb:
	rm -rf target/deb
	$(MAKE) install DESTDIR=target/deb PREFIX=/usr
	$(CARGO) deb --package stagex --no-build

demo:
	$(CARGO) build --release --bin stagex
	$(TARGET_DIR)/release/stagex make
	$(TARGET_DIR)/release/stagex digests --check

test:
	@tools/setup podman buildah docker dockerd runc busybox bindfs pasta slirp4netns
	tools/with-dockerd $(CARGO) test --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
