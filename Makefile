# The commands of the README, and what a maintainer runs before a commit.
# `demo` and `test` set up what they need, engines included, and say so before they do.

CARGO ?= cargo
PREFIX ?= /usr/local
TARGET_DIR = $${CARGO_TARGET_DIR:-target}

# The target of what is installed, which tools/release-build takes from here.
TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
export TARGET

# What is installed. If you name a binary, nothing is built.
BINARY ?=
INSTALLED = $(or $(BINARY),$(TARGET_DIR)/$(TARGET)/release/stagex)

.PHONY: help build install deb demo test lint

help:
	@echo 'make build     builds the program as it is released: it needs no library (TARGET)'
	@echo 'make install   installs the program, its manual pages and completions (PREFIX, DESTDIR)'
	@echo 'make deb       makes a Debian package (needs cargo-deb)'
	@echo 'make demo      builds the example tree with the first runtime that is ready, compares its digests'
	@echo 'make test      sets up every engine and runs all tests'
	@echo 'make lint      rustfmt and clippy, as CI runs them; cargo-deny, if it is installed'

build:
	tools/release-build

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

# cargo-deb takes the files from target/deb, which cli/Cargo.toml names. Their times are that of the commit, and the
# program is the one that was built, byte for byte.
deb:
	rm -rf target/deb
	$(MAKE) install DESTDIR=target/deb PREFIX=/usr
	SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}" \
	  $(CARGO) deb --package stagex --no-build --no-strip

demo:
	$(CARGO) build --release --bin stagex
	"$(TARGET_DIR)/release/stagex" make
	"$(TARGET_DIR)/release/stagex" digests --check

test:
	@tools/setup podman buildah docker dockerd runc busybox bindfs pasta slirp4netns git gpg gpg-agent gpgconf gpgv ssh-keygen dot
	tools/with-dockerd $(CARGO) test --workspace --no-fail-fast

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo 'note: licences and sources of crates were not checked: cargo-deny is not installed' >&2; fi
