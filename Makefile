# SPDX-License-Identifier: GPL-2.0-only
# kvlane: "make help" lists the targets.

VERSION := 0.1.0

SHELL := /bin/bash
build := $(CURDIR)/build

# The running kernel, or the newest with headers installed, unless KERNEL=REL says otherwise.
ifeq ($(origin KERNEL),undefined)
KERNEL := $(shell . scripts/lib.sh && own_kernel)
endif
KDIR ?= /lib/modules/$(KERNEL)/build
V ?= 0
PREFIX ?= /usr/local
UDEVDIR ?= /usr/lib/udev/rules.d
MODULESLOADDIR ?= /usr/lib/modules-load.d
DESTDIR ?=
SPHINXBUILD ?= sphinx-build
DKMS ?= dkms
TESTS ?=
SEED ?=
SECONDS ?=
SAMPLE ?=
old_tests := host/balloon host/blk host/lifecycle host/net_traffic host/rng
fuzzing = FUZZ_SEED=$(SEED) FUZZ_SECONDS=$(SECONDS)

mod := $(build)/$(KERNEL)
dkmssrc := /usr/src/kvlane-$(VERSION)
kbuild = $(MAKE) -C $(KDIR) M=$(mod) V=$(V) --no-print-directory
vmrun = $(MAKE) -C user/vmrun --no-print-directory O=$(build)/user CC="$(CC)" V=$(V) VERSION=$(VERSION) \
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

all: module vmrun ## Build the module and the launcher (default)

help: ## List the targets and the variables
	@echo "Targets:"
	@sed -n -E 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 20 | sed 's/^/  /'
	@echo "Variables:"
	@echo "  KERNEL=REL        kernel to build for ($(KERNEL)); KDIR= its build folder"
	@echo "  TESTS=PATTERN     tests that check runs, a shell pattern on their names"
	@echo "  SEED=N SECONDS=S  fuzzers: where random numbers come from, how long each runs"
	@echo "  SAMPLE=N          check-debug: every N-th test only, SEED says which"
	@echo "  PREFIX= DESTDIR=  where install puts things ($(PREFIX))"
	@echo "  V=1               show the commands"

headers:
	@if [ ! -e "$(KDIR)/Makefile" ]; then \
		echo "make: no headers for kernel '$(KERNEL)' in $(KDIR): run scripts/deps, or give KERNEL=REL" >&2; \
		exit 2; \
	fi

# Kbuild leaves its objects beside the sources, so every kernel gets a folder of
# links to them.
module: headers ## Build build/REL/kvlane.ko
	@scripts/mirror $(mod)
	@flock $(mod)/.lock $(kbuild) modules

vmrun: ## Build the launcher, build/user/vmrun
	@mkdir -p $(build)/user
	@flock $(build)/user/.lock $(vmrun) all

install: all ## Install module, launcher, manual page, udev rule and header
	$(kbuild) modules_install INSTALL_MOD_DIR=updates CONFIG_MODULE_SIG_ALL= \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=true)
	$(if $(DESTDIR),,/sbin/depmod $(KERNEL))
	$(vmrun) install
	install -D -m 644 packaging/60-kvlane.rules $(DESTDIR)$(UDEVDIR)/60-kvlane.rules
	install -D -m 644 packaging/kvlane.modules-load $(DESTDIR)$(MODULESLOADDIR)/kvlane.conf
	for name in kvlane kvlane_netlink; do \
		install -D -m 644 include/uapi/linux/$$name.h $(DESTDIR)$(PREFIX)/include/linux/$$name.h || exit; \
	done
	$(if $(DESTDIR),,udevadm control --reload 2>/dev/null || :)

uninstall: ## Remove what install put there
	rm -f $(DESTDIR)/lib/modules/$(KERNEL)/updates/kvlane.ko*
	$(if $(DESTDIR),,/sbin/depmod $(KERNEL))
	$(vmrun) uninstall
	rm -f $(DESTDIR)$(UDEVDIR)/60-kvlane.rules $(DESTDIR)$(MODULESLOADDIR)/kvlane.conf
	rm -f $(DESTDIR)$(PREFIX)/include/linux/kvlane.h \
		$(DESTDIR)$(PREFIX)/include/linux/kvlane_netlink.h

dkms-install: ## Give the module to DKMS, which rebuilds it for every kernel
	@command -v $(DKMS) >/dev/null || { echo "make: no dkms: apt-get install dkms" >&2; exit 2; }
	rm -rf $(DESTDIR)$(dkmssrc)
	mkdir -p $(DESTDIR)$(dkmssrc)
	cp -r Kbuild kmod include COPYING $(DESTDIR)$(dkmssrc)
	sed 's/@VERSION@/$(VERSION)/' dkms.conf >$(DESTDIR)$(dkmssrc)/dkms.conf
	$(if $(DESTDIR),,$(DKMS) install --force -m kvlane -v $(VERSION) -k $(KERNEL))

dkms-uninstall: ## Take the module away from DKMS
	-$(DKMS) remove -m kvlane -v $(VERSION) --all
	rm -rf $(dkmssrc)

deps: ## Install the packages that building and testing need (as root)
	@scripts/deps

demo: ## Boot a Debian guest on kvlane and show what it does
	@scripts/deps
	@selftests/testbed/demo

check: ## Run the style checks and all tests; TESTS=PATTERN for some
	@scripts/deps
	@$(fuzzing) selftests/run $(if $(TESTS),'$(TESTS)')

check-debug: ## Run the tests on the debug kernel: no report, no leak; TESTS=PATTERN for some
	@scripts/deps
	@$(fuzzing) selftests/run --debug $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(TESTS),'$(TESTS)')

check-old: ## Run tests of devices on Debian 12's own kernel, 6.1; TESTS=PATTERN for others
	@scripts/deps
	@kernel=$$(scripts/old-kernel) && KERNEL=$$kernel selftests/run $(if $(TESTS),'$(TESTS)',$(old_tests))

fuzz: ## Run the fuzzers on the debug kernel; SECONDS=S for each, SEED=N
	@scripts/deps
	@$(fuzzing) selftests/run --debug $(if $(TESTS),'$(TESTS)','fuzz/*')

style: ## Run the style and static checks only
	@scripts/deps
	@selftests/run style

bench: ## Measure against QEMU and write the table of Documentation/benchmarks.rst
	@scripts/deps
	@KERNEL=$(KERNEL) $(MAKE) --no-print-directory all
	@KERNEL=$(KERNEL) selftests/bench/run

docs: ## Build the documentation into build/html
	@scripts/deps
	$(SPHINXBUILD) -q -W --keep-going -b html Documentation $(build)/html
	@echo "open $(build)/html/index.html"

clean: ## Remove everything that was built (not the cache)
	rm -rf $(build)

.PHONY: all help headers module vmrun install uninstall dkms-install dkms-uninstall \
	deps demo check check-debug check-old fuzz style bench docs clean
