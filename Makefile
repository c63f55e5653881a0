# Builds, tests, checks and installs cerveza. Each target installs what it needs first; a second run is quick.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL ?= install

TOOLS = hostrange ec2-ls ec2-launch ec2-power ec2-run ec2-tag hostfmt mkuserdata pssh-rs
TARGET = $(or $(CARGO_TARGET_DIR),target)

BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: build setup demo recording test lint check bench release install uninstall clean

# Always the whole workspace: another selection of crates may enable other features and build the AWS SDK again.
build:
	tests/setup build
	$(CARGO) build --locked --workspace

# Installs what the tests need.
setup:
	tests/setup test

# Shows a pipeline from names to running hosts, without an AWS account.
demo:
	tests/setup demo
	$(CARGO) build --locked --workspace
	demo/run

# Records a run of the demo for the README.
recording:
	tests/setup demo
	test -x $(TARGET)/venv-recording/bin/pip || python3 -m venv $(TARGET)/venv-recording
	$(TARGET)/venv-recording/bin/pip install --quiet --disable-pip-version-check pyte==0.8.2
	$(CARGO) build --locked --workspace
	$(TARGET)/venv-recording/bin/python demo/record.py docs/demo.svg

test:
	tests/setup test
	$(CARGO) build --locked --workspace
	tests/run $(CARGO) test --locked --workspace --no-fail-fast

lint:
	$(CARGO) fmt --check
	tests/setup build
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

check: lint
	$(CARGO) run --quiet --locked --package xtask -- layers
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check bans licenses sources
	if $(CARGO) deny fetch db; then $(CARGO) deny --locked check advisories; \
	else echo 'check: cannot fetch the database of advisories; they were not checked' >&2; fi

# Compares the tools with other programs on this machine, and writes bench/RESULTS.md, its chart and the figures of README.md.
# A run of less writes to target/bench instead: QUICK=1 leaves out large inputs, BENCHED="hostrange pssh-rs" measures only
# these, BENCH_RUNS=n sets the number of runs. The first release build of the EC2 tools takes minutes.
BENCHED = hostrange hostfmt mkuserdata pssh-rs ec2-launch ec2-ls ec2-run
bench:
	tests/setup bench
	$(CARGO) build --release --locked $(if $(filter ec2-%,$(BENCHED)),--workspace --exclude xtask,$(BENCHED:%=-p %))
	bench/run $(BENCHED)

release:
	tests/setup build
	$(CARGO) build --locked --release --workspace --exclude xtask --exclude cerveza-tests

# Without cargo, as often for root, this installs what `make release` has built.
install:
	if command -v $(CARGO) >/dev/null; then $(MAKE) release; fi
	$(INSTALL) -d "$(BINDIR)" "$(MANDIR)/man1" "$(MANDIR)/man5" "$(MANDIR)/man7" "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	$(INSTALL) -m 755 $(TOOLS:%="$(TARGET)/release/%") "$(BINDIR)"
	for section in 1 5 7; do $(INSTALL) -m 644 man/*.$$section "$(MANDIR)/man$$section" || exit; done
	$(INSTALL) -m 644 $(TOOLS:%=completions/bash/%) "$(BASHDIR)"
	$(INSTALL) -m 644 $(TOOLS:%=completions/zsh/_%) "$(ZSHDIR)"
	$(INSTALL) -m 644 $(TOOLS:%=completions/fish/%.fish) "$(FISHDIR)"

uninstall:
	for page in man/*.[157]; do rm -f "$(MANDIR)/man$${page##*.}/$${page#man/}" || exit; done
	rm -f $(TOOLS:%="$(BINDIR)/%") $(TOOLS:%="$(BASHDIR)/%") $(TOOLS:%="$(ZSHDIR)/_%") \
	    $(TOOLS:%="$(FISHDIR)/%.fish")

clean:
	$(CARGO) clean
