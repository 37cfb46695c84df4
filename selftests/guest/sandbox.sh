#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is left to somebody who has taken over vmrun from inside the guest.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

nobody=65534

# Waits until the last step of the set-up, the main thread's filter.
wait_closed() {
	local i
	for ((i = 0; i < 600; i++)); do
		if grep -q -x 'Seccomp:.2' "/proc/$pid/status" 2>/dev/null; then
			return 0
		fi
		sleep 0.1
	done
	sed 's/^/# vmrun: /' "$work/stderr"
	return 1
}

# Every thread but those of the module, which never leave the kernel, has these
# lines in its status.
threads_have() { # LINE...
	local task line
	for task in "/proc/$pid/task"/*; do
		if [[ $(cat "$task/comm") == kvlane-* ]]; then
			continue
		fi
		for line in "$@"; do
			if ! tr '\t' ' ' <"$task/status" | grep -q -x -e "$line"; then
				echo "# $(cat "$task/comm") has no '$line' in its status"
				return 1
			fi
		done
	done
}

other_user() {
	threads_have "Uid: \([1-9][0-9]*\) \1 \1 \1" "Gid: \([1-9][0-9]*\) \1 \1 \1" "Groups: *"
}

no_privileges() {
	threads_have "NoNewPrivs: 1" "Seccomp: 2" "CapPrm: 0*" "CapEff: 0*" "CapAmb: 0*"
}

bounded() {
	threads_have "CapBnd: 0*"
}

no_files() {
	[ -d "/proc/$pid/root/" ] && [ -z "$(ls -A "/proc/$pid/root/")" ]
}

# None of these is open.
not_open() { # PATTERN
	local found
	found=$(find "/proc/$pid/fd" -type l -printf '%l\n' | grep -E -e "$1" || :)
	if [ -n "$found" ]; then
		echo "# open: ${found//$'\n'/, }"
		return 1
	fi
}

thread() { # NAME
	local task
	for task in "/proc/$pid/task"/*; do
		if [ "$(cat "$task/comm")" = "$1" ]; then
			basename "$task"
		fi
	done
}

# A call that is on the list does no harm.
goes_on() {
	"$programs/inject" "$pid" 39 && sleep 1 && "$vmrun" list | grep -q -w box
}

quit_guest() {
	"$vmrun" ctl box quit && wait "$pid" && [ ! -e /run/kvlane/box.sock ]
}

# A machine in which that thread does that call ends with 5 and one line.
forbidden() { # THREAD NAME NUMBER [ARGUMENT...]
	local status=0 thread=$1 name=$2
	shift 2
	start --name box
	wait_closed || return
	"$programs/inject" "$(thread "$thread")" "$@" || status=$?
	if [ "$status" != 0 ]; then
		kill -KILL "$pid"
	fi
	wait "$pid" 2>/dev/null || status=$?
	if [ "$status" = 5 ] && [ "$(wc -l <"$work/stderr")" = 1 ] &&
		grep -q "box: thread ${thread/vmrun/main}: system call .*($name)" "$work/stderr"; then
		return 0
	fi
	echo "# status $status"
	sed 's/^/# /' "$work/stderr"
	return 1
}

killed() {
	local i
	start --name box
	wait_closed || return
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
	for ((i = 0; i < 100; i++)); do
		if [ ! -e /run/kvlane/box.sock ]; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}

without() {
	start --name box --sandbox off
	wait_up 1 || return
	threads_have "Seccomp: 0" && grep -q -- '--sandbox off' "$work/stderr" &&
		"$vmrun" ctl box quit && wait "$pid"
}

# What somebody with privileges makes for somebody without: a macvtap, opened as 9.
open_macvtap() {
	modprobe -q dummy && modprobe -q macvtap &&
		ip link add kvl0 type dummy &&
		ip link add link kvl0 name kvt0 type macvtap mode bridge &&
		ip link set kvl0 up && ip link set kvt0 up &&
		exec 9<>"/dev/tap$(cat /sys/class/net/kvt0/ifindex)"
}

# As a user who may use the two devices, and was given a descriptor.
unprivileged() {
	local status=0
	# Not a function: what is started by one is not what $! names.
	local as_nobody=(setpriv --reuid="$nobody" --regid="$nobody" --clear-groups
		env XDG_RUNTIME_DIR="$work/run")
	open_macvtap || return
	chmod 666 /dev/kvm /dev/kvlane
	chmod 755 "$work"
	mkdir "$work/run"
	truncate -s 1M "$work/theirs"
	chown "$nobody:$nobody" "$work/run" "$work/theirs"
	forget_console
	"${as_nobody[@]}" "$vmrun" run --kernel "$kernel" \
		--initrd "$work/initrd" --memory 256M,hugepages=off --cpus 1 --name theirs \
		--append "console=ttyS0 loglevel=4 kvlane.end=halt" --disk "$work/theirs" \
		--net fd=9 </dev/null >"$work/console" 2>"$work/stderr" &
	pid=$!
	exec 9<&-
	wait_up 1 && no_privileges && "${as_nobody[@]}" "$vmrun" stat theirs --json >"$work/out" &&
		grep -q 'kvt0' "$work/out" || status=$?
	kill -TERM "$pid"
	wait "$pid" && [ "$status" = 0 ] && [ ! -e "$work/run/kvlane/theirs.sock" ] &&
		ip link del kvt0 && ip link del kvl0
}

too_small() {
	local status=0
	"$vmrun" run --kernel "$kernel" --initrd "$work/initrd" --memory 64M --cpus 1 \
		</dev/null >"$work/console" 2>"$work/stderr" || status=$?
	[ "$status" = 2 ] && grep -q 'does not fit.*MiB; give more --memory' "$work/stderr"
}

need_guests
make_work
make_initramfs "$@"
plan 20
truncate -s 1M "$work/disk"
exec 9</etc/hostname
start --disk "$work/disk" --rng --name box
exec 9<&-
check "a guest comes up in the sandbox" wait_up 1
check "its threads run as a user of their own" other_user
check "with no privileges and with a filter" no_privileges
check "nor any to be had" bounded
check "there are no files" no_files
check "what was inherited is closed" not_open '/etc/hostname'
check "and what was for the set-up" not_open "/dev/kvm|/dev/kvlane|$work/disk|memfd"
check "an ordinary system call does no harm" goes_on
check "the guest can be ended, with 0, and its socket is gone" quit_guest
check "the main thread cannot open files" forbidden vmrun openat 257 -100
check "nor start programs" forbidden vmrun execve 59
check "nor type on the terminal" forbidden vmrun ioctl 16 0 0x5412
check "nor map code" forbidden vmrun mmap 9 0 4096 7 0x22 -1
check "nor make processes" forbidden vmrun clone 56 17
check "a processor's thread cannot connect" forbidden vcpu-0 connect 42
check "nor do what the main thread may" forbidden vcpu-0 accept4 288
check "a machine that is killed leaves no socket" killed
check "--sandbox off says so" without
check "a user without privileges has the sandbox, too" unprivileged
check "a kernel that does not fit is refused" too_small
finish
