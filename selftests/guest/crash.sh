#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Crash consistency.  Many rounds with a guest that is a program; a few with a real
# one, whose file system has to survive the power cut.
#
#   ROUNDS=N   rounds with the program (8: one in each mode)
#   BOOTS=N    with a guest on vmrun (2)
#   SEED=N     where random numbers come from (the time)
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

rounds=${ROUNDS:-8}
boots=${BOOTS:-2}
seed=${SEED:-$EPOCHSECONDS}
RANDOM=$((seed % 32768))
# shellcheck disable=SC2034	# guest.bash reads it
drivers=(ext4)
loops=()

clean_up() {
	if [ -n "${pid:-}" ]; then
		kill -KILL "$pid" 2>/dev/null || :
	fi
	umount "$work/mount" 2>/dev/null || :
	dmsetup remove --retry kvlane-crash 2>/dev/null || :
	for loop in "${loops[@]}"; do
		losetup -d "$loop" 2>/dev/null || :
	done
	rm -rf "$work"
}

# A disk with a file system on dm-log-writes, and a copy of it.
make_disk() {
	rm -f "$work/disk" "$work/log"
	truncate -s 64M "$work/disk"
	truncate -s 512M "$work/log"
	mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0 "$work/disk"
	cp --sparse=always "$work/disk" "$work/before"
	loops=("$(losetup --find --show "$work/disk")" "$(losetup --find --show "$work/log")")
	dmsetup create kvlane-crash --table "0 $((64 * 2048)) log-writes ${loops[*]}"
	dmsetup mknodes kvlane-crash
}

# The last file that the guest said was stable.
stable() {
	tr -d '\r' <"$work/console" | sed -n 's/^# stable \([0-9]*\)$/\1/p' | tail -n 1
}

# Runs the guest until it has written some files, and kills it a little later.
run_guest() { # DISK-OPTIONS
	local i delay
	start --name crash --disk "/dev/mapper/kvlane-crash$1" \
		--append "console=ttyS0 loglevel=4 mitigations=off kvlane.run=filer"
	for ((i = 0; i < 1200 * slow; i++)); do
		if [ "$(stable)" ]; then
			break
		fi
		sleep 0.1
	done
	delay=$((RANDOM % 2000))
	sleep "$((delay / 1000)).$((delay % 1000 / 100))"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
	pid=
	failing='the kill is noted in the log'
	dmsetup message kvlane-crash 0 mark killed && "$programs/cut" marked "$work/log" || return
	failing='nobody has the disk open after the kill'
	dmsetup remove --retry kvlane-crash && losetup -d "${loops[@]}" || return
	failing='the guest says what is stable'
	[ "$(stable)" ]
}

# The disk after a power cut: it mounts, holds what it has to, and fsck is content.
check_cut() { # CUT SEED STABLE
	local status=0
	cp --sparse=always "$work/before" "$work/image"
	failing="the log is replayed up to $1, seed $2"
	entries=$("$programs/cut" replay "$work/log" "$work/image" "$1" "$2") || return
	failing+=', mounted'
	mount -o loop "$work/image" "$work/mount" || return
	"$programs/filer" verify "$work/mount" "$3" || status=$?
	umount "$work/mount"
	failing+=", what is stable is there ($3 files)"
	[ "$status" = 0 ] || return
	failing+=', fsck'
	e2fsck -fn "$work/image" >"$work/fsck" 2>&1
}

# At the kill, where all that was promised has to be there, and at some time before.
play() { # DISK-OPTIONS
	failing='a disk with a log'
	make_disk || return
	run_guest "$1" || return
	check_cut end 0 "$(stable)" || return
	check_cut "$((RANDOM * 32768 % (entries + 1)))" "$((RANDOM + 1))" 0 || return
	echo "# $(stable) files were stable, $entries writes and flushes"
}

boot_round() { # NUMBER
	local options=''
	if (($1 % 2)); then
		options=,direct
	fi
	if play "$options"; then
		ok "a guest killed, the power cut: ${options#,}"
		return
	fi
	not_ok "a guest killed, the power cut: ${options#,}: not so: $failing"
	tail -n 20 "$work/console" | tr -d '\r' | sed 's/^/# console: /'
	if [ -s "$work/fsck" ]; then
		sed 's/^/# fsck: /' "$work/fsck"
	fi
}

need_guests
make_work
trap clean_up EXIT
make_initramfs filer
mkdir "$work/mount"
for module in dm-mod dm-log-writes loop ext4; do
	modprobe -q "$module" || skip_all "no module $module in this kernel"
done
plan $((boots + 1))
echo "# seed $seed"
status=0
"$programs/cut" rounds "$rounds" "$seed" 2>"$work/said" >"$work/rounds" || status=$?
sed 's/^/  /' "$work/rounds"
check "$rounds rounds with a guest that is killed, in all modes" [ "$status" = 0 ]
for ((boot = 0; boot < boots; boot++)); do
	boot_round "$boot"
done
finish
