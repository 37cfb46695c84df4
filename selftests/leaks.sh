#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Removes the module, and asks kmemleak whether any memory was left behind since
# run-inside began.
set -euo pipefail

kmemleak=/sys/kernel/debug/kmemleak

# An object counts when it was found without a pointer twice, and is not too young.
scan() {
	sleep 6
	echo scan >$kmemleak && sleep 2 && echo scan >$kmemleak
}

verdict() { # RESULT
	echo "$1 1 ${*:2}"
	[ "$1" = ok ]
	exit
}

echo "TAP version 13"
if [ ! -e $kmemleak ]; then
	echo "1..0 # SKIP this kernel has no kmemleak"
	exit 4
fi
echo "1..1"
# Once while the module's functions have names.
if ! scan; then
	verdict "not ok" "kmemleak has stopped working"
fi
sed 's/^/# /' $kmemleak
if ! rmmod kvlane; then
	verdict "not ok" "the module is still in use"
fi
scan
found=$(grep -c '^unreferenced object' $kmemleak || :)
if [ "$found" != 0 ]; then
	sed 's/^/# /' $kmemleak
	verdict "not ok" "$found objects were leaked"
fi
verdict ok "nothing was leaked"
