#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# "vmrun events": a device in trouble, by its name.  The guest's source of entropy is
# an empty file.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

# The netlink sockets of a process that have joined a group.
joined() { # PID
	awk -v pid="$1" '$2 == 16 && $3 % 4194304 == pid && $4 !~ /^0+$/ { n++ }
		END { exit !n }' /proc/net/netlink
}

# Starts a listener that writes to $work/NAME; sets listener.
listen() { # NAME ARGUMENT...
	local name=$1 i
	shift
	"$vmrun" events "$@" >"$work/$name" 2>&1 &
	listener=$!
	for ((i = 0; i < 100; i++)); do
		if joined "$listener"; then
			return 0
		fi
		sleep 0.1
	done
	return 1
}

# Waits for a line of a listener's.
heard() { # NAME PATTERN
	local i
	for ((i = 0; i < 600; i++)); do
		if grep -q -E -e "$2" "$work/$1"; then
			return 0
		fi
		sleep 0.1
	done
	sed 's/^/# /' "$work/$1"
	return 1
}

heard_once() {
	sleep 1
	[ "$(wc -l <"$work/all")" = 1 ] && [ "$(wc -l <"$work/objects")" = 1 ] && [ ! -s "$work/other" ]
}

is_json() {
	# shellcheck disable=SC2016	# it is perl
	perl -MJSON::PP -ne '$o = decode_json($_);
		exit !($o->{vm} eq "box" && $o->{pid} == '"$pid"' && $o->{device} eq "rng" &&
			$o->{event} eq "backend-error" && $o->{error} == -61 && $o->{queue} == 0 &&
			abs($o->{time} - time) < 300)' "$work/objects"
}

interrupted() { # PID...
	kill -INT "$@"
	local one
	for one in "$@"; do
		wait "$one" || return 1
	done
}

not_permitted() {
	local status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all \
		env XDG_RUNTIME_DIR=/tmp "$vmrun" events >"$work/out" 2>&1 || status=$?
	[ "$status" = 2 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -q CAP_NET_ADMIN "$work/out"
}

ended() {
	"$vmrun" ctl box quit && wait "$pid"
}

need_guests
make_work
make_initramfs "$@"
plan 10
: >"$work/empty"
truncate -s 1M "$work/disk"
check "it needs to be permitted" not_permitted
check "it listens" listen all
listeners=("$listener")
check "and prints JSON" listen objects --json
listeners+=("$listener")
check "or listens to one VM" listen other another
listeners+=("$listener")
start --disk "$work/disk" --rng="$work/empty" --name box
check "an event comes with the names of VM and device" \
	heard all '^[-0-9]+ [:0-9]+ box rng: queue 0: .*No data available; '
check "and as JSON" heard objects '^\{.*\}$'
check "with everything in it" is_json
check "once, and only where it is asked for" heard_once
check "the listeners end well" interrupted "${listeners[@]}"
wait_up 1 || :
check "so does the guest" ended
finish
