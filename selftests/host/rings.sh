#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests that do not care about the kind of ring, once more on packed rings, and
# some of them in order, and on lanes that share threads. Those that say that a slow request holds up no other do not
# hold in order, and those that put rings together by hand are about split ones.
set -u
programs=$(readlink -f "${KVLANE_HOST_TESTS:-build/selftests/host}")
packed=(KVLANE_PACKED=1)
in_order=(KVLANE_IN_ORDER=1)
both=(KVLANE_PACKED=1 KVLANE_IN_ORDER=1)
shared=(KVLANE_LANE_QUEUES=2)
number=0

# Runs a program with variables set; its results become one.
again() { # KIND PROGRAM VARIABLE...
	local name="$2, $1" program=$programs/$2
	shift 2
	number=$((number + 1))
	if out=$(env "$@" "$program" 2>&1); then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		grep -E '^(not ok|# .*:[0-9]+:)' <<<"$out" | sed 's/^/# /'
	fi
}

echo "TAP version 13"
echo "1..17"
for test in ring blk rng discard reset depth; do
	again packed "$test" "${packed[@]}"
done
for test in ring rng reset; do
	again "packed and in order" "$test" "${both[@]}"
done
for test in ring rng; do
	again "in order" "$test" "${in_order[@]}"
done
for test in blk reset hostile lifecycle net net_life; do
	again "two queues to a thread" "$test" "${shared[@]}"
done
[ "$number" = 17 ]
