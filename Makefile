# The two commands of the README, and what a maintainer runs before a commit.
# Each sets up what it needs, engines included, and says so before it does.

CARGO ?= cargo

.PHONY: help demo test lint

help:
	@echo 'make demo   builds the example tree with what is here, compares its digests'
	@echo 'make test   sets up every engine and runs all tests'
	@echo 'make lint   rustfmt and clippy, as CI runs them'

demo:
	$(CARGO) build --release --bin stagex
	$${CARGO_TARGET_DIR:-target}/release/stagex make
	$${CARGO_TARGET_DIR:-target}/release/stagex digests --check

test:
	@tools/setup podman buildah docker dockerd runc busybox bindfs pasta slirp4netns
	tools/with-dockerd $(CARGO) test --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
