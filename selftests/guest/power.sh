#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The ways a guest can end, and what vmrun makes of them.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

# Lines of the console that say something.
said() { # TEXT TIMES
	[ "$(grep -c -x "# $1" "$work/lines")" = "$2" ]
}

one_line() {
	[ "$(wc -l <"$work/stderr")" = 1 ]
}

kill_guest() {
	start --disk "$work/disk" --rng --name victim
	wait_up 1
	if rmmod kvlane 2>/dev/null; then
		echo "# the module could be unloaded under a guest"
		return 1
	fi
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
}

need_guests
make_work
make_initramfs "$@"
plan 8
truncate -s 1M "$work/disk"

boot "kvlane.end=twice" --cpus 1 --disk "$work/disk"
check "a reboot starts the guest again" said "guest is up" 2
check "and the power-off after it ends vmrun with 0" [ "$status" = 0 ]
if [ "$failures" != 0 ]; then
	show_console
fi
boot "kvlane.end=reboot" --cpus 1 --no-reboot
check "a reboot ends vmrun where it is told so" said "guest is up" 1
boot "kvlane.end=reboot reboot=t" --cpus 1
check "a triple fault ends vmrun with 3" [ "$status" = 3 ]
check "and one line says so" one_line
check "nothing is left of guests that ended" unused
check "a guest that runs keeps the module loaded" kill_guest
check "nothing is left of a guest that was killed" unused
finish
