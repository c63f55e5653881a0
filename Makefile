# Builds, tests, checks and installs cerveza. Each target installs what it needs first; a second run is quick.

CARGO ?= cargo
PREFIX ?= /usr/local
# Without a slash at its end, which Tab adds.
override PREFIX := $(patsubst %/,%,$(PREFIX))
DESTDIR ?=
INSTALL ?= install

# What is built to be installed. ec2-tools has all tools that use the AWS SDK, and each of them is a link to it.
PROGRAMS = hostrange hostfmt mkuserdata pssh-rs
EC2_TOOLS = ec2-launch ec2-ls ec2-power ec2-run ec2-tag
TARGET = $(or $(CARGO_TARGET_DIR),target)
BUILT = $(TARGET)/release

BINDIR = $(DESTDIR)$(PREFIX)/bin
LIBEXECDIR = $(DESTDIR)$(PREFIX)/libexec/cerveza
MANDIR = $(DESTDIR)$(PREFIX)/share/man
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# fish looks below /usr/local only if XDG_DATA_DIRS says so, but always here.
FISHLINKS = $(if $(filter /usr/local,$(PREFIX)),$(patsubst completions/fish/%,"$(DESTDIR)/etc/fish/completions/%",$(wildcard completions/fish/*)))

# `man -k` finds a page once it is in the index, which is made only of folders where man looks.
INDEX_PAGES = case ":$$(manpath -q 2>/dev/null):" in *":$(MANDIR):"*) mandb --quiet || true ;; esac

.PHONY: build setup demo recording test lint check bench release install install-built uninstall deb tarball check-packages clean

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

# The whole workspace is selected, as above, but only the programs that are installed are linked.
SELECTED = --workspace --exclude xtask $(PROGRAMS:%=--bin %) --bin ec2-tools
release:
	tests/setup build
	$(CARGO) build --locked --release $(SELECTED)

# Compares the tools with other programs on this machine, and writes bench/RESULTS.md, its chart and the figures of README.md.
# A run of less writes to target/bench instead: QUICK=1 leaves out large inputs, BENCHED="hostrange pssh-rs" measures only
# these, BENCH_RUNS=n sets the number of runs. The first release build of the EC2 tools takes minutes.
BENCHED = hostrange hostfmt mkuserdata pssh-rs ec2-launch ec2-ls ec2-run
bench:
	tests/setup bench
	$(CARGO) build --locked --release $(if $(filter ec2-%,$(BENCHED)),$(SELECTED) --bin ec2-server,$(BENCHED:%=-p %))
	mkdir -p $(TARGET)/bench/bin
	for program in $(PROGRAMS) ec2-tools ec2-server; do ln -sf "../../release/$$program" $(TARGET)/bench/bin || exit; done
	for tool in $(EC2_TOOLS); do ln -sf ec2-tools "$(TARGET)/bench/bin/$$tool" || exit; done
	bench/run $(BENCHED)

# Without cargo, as often for root, this installs what `make release` has built.
install:
	if command -v $(CARGO) >/dev/null; then $(MAKE) release; fi
	$(MAKE) install-built

install-built:
	case '$(subst ','\'',$(DESTDIR)$(PREFIX))' in *[\"\$$\`]*) echo 'install: PREFIX and DESTDIR cannot have ", $$ or `' >&2; exit 2; esac
	$(INSTALL) -d "$(BINDIR)" "$(LIBEXECDIR)" "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	$(INSTALL) -m 755 $(PROGRAMS:%="$(BUILT)/%") "$(BINDIR)"
	$(INSTALL) -m 755 "$(BUILT)/ec2-tools" "$(LIBEXECDIR)"
	for tool in $(EC2_TOOLS); do ln -sfn ../libexec/cerveza/ec2-tools "$(BINDIR)/$$tool" || exit; done
	for page in man/*.[1-8]; do \
	    $(INSTALL) -d "$(MANDIR)/man$${page##*.}" && $(INSTALL) -m 644 "$$page" "$(MANDIR)/man$${page##*.}" || exit; \
	done
	$(INSTALL) -m 644 completions/bash/* "$(BASHDIR)"
	$(INSTALL) -m 644 completions/zsh/* "$(ZSHDIR)"
	$(INSTALL) -m 644 completions/fish/* "$(FISHDIR)"
	for link in $(FISHLINKS); do \
	    test -e "$$link" || { $(INSTALL) -d "$${link%/*}" && \
	        ln -sfn "$(PREFIX)/share/fish/vendor_completions.d/$${link##*/}" "$$link"; } || break; \
	done
	$(INDEX_PAGES)

uninstall:
	rm -f $(PROGRAMS:%="$(BINDIR)/%") $(EC2_TOOLS:%="$(BINDIR)/%") "$(LIBEXECDIR)/ec2-tools"
	rmdir "$(LIBEXECDIR)" 2>/dev/null || true
	for page in man/*.[1-8]; do rm -f "$(MANDIR)/man$${page##*.}/$${page##*/}"; done
	rm -f $(patsubst completions/bash/%,"$(BASHDIR)/%",$(wildcard completions/bash/*))
	rm -f $(patsubst completions/zsh/%,"$(ZSHDIR)/%",$(wildcard completions/zsh/*))
	rm -f $(patsubst completions/fish/%,"$(FISHDIR)/%",$(wildcard completions/fish/*))
	for link in $(FISHLINKS); do \
	    case "$$(readlink "$$link")" in "$(PREFIX)"/*) rm -f "$$link" ;; esac; \
	done
	$(INDEX_PAGES)

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ARCH = $(shell uname -m)
DEB = $(TARGET)/cerveza_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
TARBALL = $(TARGET)/cerveza-$(VERSION)-$(ARCH)-linux.tar.gz

# A Debian package of all tools, for this release of Debian or Ubuntu and its OpenSSL.
deb: release
	tests/setup package
	debian/rules clean binary DEB_FOLDER="$(abspath $(TARGET))" BUILT="$(abspath $(BUILT))"
	debian/rules clean

# An archive of programs that are linked statically and run on any Linux, with their man pages and completions.
MUSL = $(ARCH)-unknown-linux-musl
UNPACKED = $(TARGET)/$(basename $(basename $(notdir $(TARBALL))))
tarball:
	tests/setup build
	tests/setup package
	$(CARGO) build --locked --release --target $(MUSL) $(SELECTED) --features pssh-rs/vendored-openssl
	rm -rf "$(UNPACKED)"
	$(MAKE) install-built BUILT="$(TARGET)/$(MUSL)/release" DESTDIR="$(UNPACKED)" PREFIX=
	cp README.md LICENSE-APACHE LICENSE-MIT packaging/install.sh "$(UNPACKED)"
	$(CARGO) metadata --locked --format-version 1 --filter-platform $(MUSL) | \
	    python3 packaging/licences.py > "$(UNPACKED)/LICENSES-OF-CRATES"
	tar -C "$(TARGET)" --owner=0 --group=0 --numeric-owner -czf "$(TARBALL)" "$(notdir $(UNPACKED))"

# Installs, uses and removes both packages below a temporary folder. It builds two releases, so `make test` does not run it.
check-packages: deb tarball
	tests/setup demo
	packaging/check "$(DEB)" "$(TARBALL)"

clean:
	$(CARGO) clean
