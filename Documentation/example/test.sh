#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the worked example, runs it on a kernel with kvlane.ko loaded, and checks
# what it prints. It is the test host/example of "make check".
set -u
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$work/readsector
number=0

result() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
		sed 's/^/# /' "$work/out"
	fi
}

# Runs the program; its output goes to $work/out. Returns its exit status.
run() {
	timeout 30 "$program" "$@" >"$work/out" 2>&1
}

shows() { # LINE
	grep -qxF -- "$1" "$work/out"
}

# What od makes of the first 64 bytes of a file, as the program prints it.
dump() { # FILE
	od -A x -t x1z -N 64 -v "$1" |
		sed -n -E 's/^([0-9a-f]{6}) (.*)  >(.*)<$/00\1  \2  |\3|/p'
}

reads_sector() { # FILE
	run "$1" && dump "$1" | while IFS= read -r line; do
		shows "$line" || exit 1
	done
}

fails_with() { # STATUS MESSAGE ARGUMENT...
	local status=$1 message=$2
	shift 2
	run "$@"
	[ $? = "$status" ] && shows "$message"
}

echo "KTAP version 1"
echo "1..7"
make -C "$here" O="$work" CFLAGS="-O2 -Werror" >"$work/out" 2>&1
result $? "it builds without a warning"
head -c 1M /dev/urandom >"$work/disk"
cp "$work/disk" "$work/copy"

reads_sector "$work/disk"
result $? "the first bytes are those of the file"
shows "capacity: 2048 sectors of 512 bytes"
result $? "the capacity is the size of the file"
grep -q '^queue 0: .*requests 1, bytes to guest 513, interrupts 1, errors 0$' "$work/out"
result $? "one request, one interrupt"
cmp -s "$work/disk" "$work/copy"
result $? "the file is what it was"
truncate -s 1000 "$work/odd"
fails_with 1 "readsector: KVLANE_SET_BACKEND: $work/odd: Invalid argument" "$work/odd"
result $? "a size that is not whole sectors is refused"
fails_with 2 "usage: readsector FILE"
result $? "no argument"
