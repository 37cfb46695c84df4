# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts here: KTAP, and a guest that boots from an initramfs.

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
vmrun=${KVLANE_VMRUN:-$top/build/user/vmrun}
programs=${KVLANE_GUEST:-$top/build/selftests/guest}
rel=${KVLANE_KERNEL:-$(uname -r)}
# How many times slower than an ordinary kernel the one here is.
slow=${KVLANE_SLOW:-1}

# Drivers the guest needs beside those of disks and the entropy source.
drivers=()

number=0 failures=0

plan() { # COUNT
	echo "TAP version 13"
	echo "1..$1"
}

skip_all() { # REASON
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

ok() { # NAME
	number=$((number + 1))
	echo "ok $number $*"
}

not_ok() { # NAME
	number=$((number + 1))
	failures=$((failures + 1))
	echo "not ok $number $*"
}

# check NAME COMMAND...: one test, passed if the command succeeds.
check() {
	local name=$1
	shift
	# L1's log says where it was, should it end here.
	if [ -w /dev/kmsg ]; then
		echo "<4>${0##*/}: $name" >/dev/kmsg
	fi
	if "$@"; then
		ok "$name"
	else
		not_ok "$name"
	fi
}

finish() {
	[ "$failures" = 0 ]
	exit
}

need_guests() {
	[ -x "$vmrun" ] || skip_all "no $vmrun: run make vmrun"
	[ -w /dev/kvm ] || skip_all "no /dev/kvm"
	[ -e /dev/kvlane ] || skip_all "the module kvlane is not loaded"
}

# Sets work, a folder that goes away at the end.
make_work() {
	work=$(mktemp -d /tmp/kvlane-guest.XXXXXX)
	trap 'rm -rf "$work"' EXIT
}

# Sets root, the folder that holds the guest's kernel and its modules, and kernel.
find_kernel() {
	root=$("$top/scripts/kernel-image" "$rel") || skip_all "no kernel $rel for the guest"
	kernel=${root%/}/boot/vmlinuz-$rel
}

# Makes $work/initrd: drivers, init and tests.
make_initramfs() { # PROGRAM...
	local tree=$work/tree file name
	find_kernel
	mkdir -p "$tree/modules" "$tree/tests" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/tmp"
	for name in virtio_pci virtio_blk virtio-rng "${drivers[@]}"; do
		modprobe -S "$rel" -d "$root" --show-depends "$name" || return
	done | sed -n -E 's/^insmod ([^ ]+).*/\1/p' | awk '!seen[$0]++' >"$work/modules"
	while read -r file; do
		name=$(basename "${file%.xz}")
		case $file in
		*.xz) xz -dc "$file" >"$tree/modules/$name" ;;
		*) cp "$file" "$tree/modules/$name" ;;
		esac
		echo "$name" >>"$tree/modules/order"
	done <"$work/modules"
	cp "$programs/init" "$tree/init"
	for name in "$@"; do
		cp "$programs/$name" "$tree/tests/$name"
	done
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$work/initrd"
}

boot_once() { # APPEND VMRUN-ARGUMENT...
	local append=$1
	shift
	status=0
	timeout --kill-after=5 "${boot_seconds:-$((150 * slow))}" "$vmrun" run --kernel "$kernel" \
		--initrd "$work/initrd" --memory 256M,hugepages=off \
		--append "console=ttyS0 loglevel=4 panic=-1 mitigations=off $append" "$@" \
		</dev/null >"$work/console" 2>"$work/stderr" || status=$?
	tr -d '\r' <"$work/console" >"$work/lines"
}

emulated() {
	grep -q 'QEMU TCG' /proc/cpuinfo
}

# Did the guest's kernel go astray under emulation, as it does with any VMM now and
# then?  See "What the emulator gets wrong" in Documentation/testbed.rst.
astray() {
	[ "$status" != 0 ] && [ "$status" != 2 ] && emulated &&
		! grep -q -x '# guest is up' "$work/lines"
}

# The same for one that ran already: its processor could not go on.
lost_by_emulator() { # WHAT-VMRUN-SAID
	emulated && grep -a -q 'the guest crashed: triple fault' "$1"
}

# Boots a guest; its console goes to $work/console.  Sets status, for the caller.
# shellcheck disable=SC2034
boot() { # APPEND VMRUN-ARGUMENT...
	boot_once "$@"
	if astray; then
		echo "# the guest's kernel did not come up (status $status): once more"
		boot_once "$@"
	fi
}

# The arguments of the guest that stays, to start it again.
started=()

# What is started in the background empties the console some time later, and who waits
# for a guest must not see the one before.
forget_console() {
	: >"$work/console"
	started=()
}

# Starts a guest that stays; its console goes to $work/console.  Sets pid, for the
# caller.
# shellcheck disable=SC2034
start() { # VMRUN-ARGUMENT...
	forget_console
	started=("$@")
	"$vmrun" run --kernel "$kernel" --initrd "$work/initrd" --memory 256M,hugepages=off \
		--cpus 1 --append "console=ttyS0 loglevel=4 kvlane.end=halt" "$@" \
		</dev/null >"$work/console" 2>"$work/stderr" &
	pid=$!
}

# Has the guest that stays come up that often?  Waits while its process lives.
is_up() { # TIMES
	local i
	for ((i = 0; i < 900 * slow; i++)); do
		if [ "$(grep -c '^# guest is up' "$work/console")" = "$1" ]; then
			return 0
		fi
		jobs -r -p | grep -q -x "$pid" || return
		sleep 0.1
	done
	return 1
}

# Waits until the guest that stays has come up as often as that; the first time it has
# a second try, as boot() gives it.
wait_up() { # TIMES
	is_up "$1" && return
	sed 's/^/# vmrun: /' "$work/stderr"
	if [ "$1" != 1 ] || [ "${#started[@]}" = 0 ] || ! emulated; then
		return 1
	fi
	echo "# the guest's kernel did not come up: once more"
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" || :
	start "${started[@]}"
	is_up 1
}

# Nothing holds the module.
unused() {
	[ "$(cat /sys/module/kvlane/refcnt)" = 0 ]
}

# Shows the end of a guest that did not do what it should.
show_console() {
	sed 's/^/# vmrun: /' "$work/stderr"
	tail -n 30 "$work/lines" | sed 's/^/# console: /'
}

# Turns what a program printed in the guest into one test with subtests.
relay() { # PROGRAM
	local name=$1 end
	end=$(sed -n "s/^# end $name \([0-9]*\)$/\1/p" "$work/lines")
	sed -n "/^# begin $name\$/,/^# end $name /p" "$work/lines" |
		grep -E '^(ok|not ok|1\.\.|#|TAP)' | grep -v -E '^# (begin|end) ' |
		sed 's/^/  /'
	if [ "$end" = 0 ]; then
		ok "$name"
	else
		not_ok "$name ended with ${end:-nothing}"
	fi
}
