# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts: messages, the cache folder, the kernel release.

: "${KVLANE_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/kvlane}"
export KVLANE_CACHE

prog=${0##*/}

die() { # MESSAGE...
	printf '%s: %s\n' "$prog" "$*" >&2
	exit 2
}

say() { # MESSAGE...
	printf '%s: %s\n' "$prog" "$*" >&2
}

# The newest kernel release with headers installed.
newest_kernel() {
	local build newest=
	for build in /lib/modules/*/build; do
		if [ -e "$build/Makefile" ]; then
			build=${build%/build}
			newest+="${build##*/}"$'\n'
		fi
	done
	printf '%s' "$newest" | sort -V | tail -n 1
}

# The kernel that runs if its headers are installed, or else the newest that has some.
own_kernel() {
	if [ -e "/lib/modules/$(uname -r)/build/Makefile" ]; then
		uname -r
	else
		newest_kernel
	fi
}

# cached NAME COMMAND...: makes $KVLANE_CACHE/NAME once.  COMMAND gets a
# temporary folder as its last argument and fills it; the folder is renamed into
# place when it succeeds, so an interrupted build leaves nothing half made.
cached() {
	local final=$KVLANE_CACHE/$1 tmp
	shift
	mkdir -p "$(dirname "$final")"
	if [ -d "$final" ]; then
		return 0
	fi
	exec 8>"$final.lock"
	flock 8
	if [ ! -d "$final" ]; then
		tmp=$(mktemp -d "$final.XXXXXX")
		chmod 755 "$tmp"
		if ! "$@" "$tmp"; then
			rm -rf "$tmp"
			exec 8>&-
			return 1
		fi
		mv -T "$tmp" "$final"
	fi
	exec 8>&-
}

# Prints the URI and the keyring of the Debian archive this machine uses.
# shellcheck disable=SC2016	# the $(...) are for apt
debian_archive() {
	local uri entry key
	read -r uri entry < <(
		apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(SOURCESENTRY)' \
			'Created-By: Packages' 2>/dev/null |
			awk '$1 == "bookworm" { print $2, $3; exit }'
	) || die "no bookworm archive in apt's sources: this needs Debian 12 (or add one under /etc/apt)"
	key=$(sed -n -E 's/^Signed-By:[[:space:]]*(\/.*)$/\1/p; s/^deb .*signed-by=([^] ]+).*$/\1/p' \
		"${entry%:*}" | head -n 1)
	echo "$uri ${key:-/usr/share/keyrings/debian-archive-keyring.gpg}"
}

# What a kernel prints when it has found something wrong with itself.
# shellcheck disable=SC2034	# for those who read this file
kernel_complaint='Oops|BUG:|WARNING: |general protection|KASAN|UBSAN|kernel BUG|Kernel panic'
kernel_complaint+='|possible circular|blocked for more than|INFO: .*(detected|stall|lock|trying)'
kernel_complaint+='|ODEBUG:|refcount_t:|(list_add|list_del) corruption|DEBUG_LOCKS_WARN_ON'
kernel_complaint+='|turning off the locking correctness|kmemleak: .*disabled|soft lockup'

# emulator_fault LOG: may L1, which ended before it was told to, have died of a fault of
# QEMU's emulated SVM?  Such a death comes without a word, or with a panic of some thread on
# whose stack none of kvlane's code is; what the kernel marks with a question mark is left there
# from calls that have returned.  See "What the emulator gets wrong" in Documentation/testbed.rst.
emulator_fault() {
	! sed -E '/\] +\? /d' "$1" | grep -E '\[kvlane\]|Comm: kvlane-' >/dev/null
}

# What a command in L1 exits with when its guest went astray before it was up.
# shellcheck disable=SC2034	# for those who read this file
emulator_status=75
