#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots one guest with disks and an entropy source, and runs the programs in it.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

tests=(disk entropy processor pci)

make_disks() {
	truncate -s 64M "$work/rw"
	# 32-bit numbers, little endian.
	perl -e 'print pack("V*", 0 .. 262143)' >"$work/ro"
	truncate -s 8M "$work/large"
	modprobe -q loop
	loop=$(losetup --find --show --sector-size 4096 "$work/large")
	trap 'losetup -d "$loop"; rm -rf "$work"' EXIT
}

# The module has counted what the guest did.
check_stats() {
	grep -q . "$work/stats" && ! grep -q '"malformed": *[1-9]' "$work/stats"
}

need_guests
make_work
make_initramfs "${tests[@]}"
make_disks
plan $((${#tests[@]} + 4))
boot "iomem=relaxed kvlane.run=$(IFS=,; echo "${tests[*]}")" --cpus 4 --rng \
	--disk "$work/rw,queues=4,serial=kvlane-rw" --disk "$work/ro,ro,serial=kvlane-ro" \
	--disk "$loop,direct,serial=kvlane-4k" --stats-at-exit "$work/stats"
for name in "${tests[@]}"; do
	relay "$name"
done
check "power off ends vmrun with 0" [ "$status" = 0 ]
check "no ring was malformed" check_stats
if [ "$failures" != 0 ]; then
	show_console
fi
truncate -s 0 "$work/rw"
truncate -s 64M "$work/rw"
boot "pci=nomsi kvlane.run=disk,entropy" --cpus 4 --rng \
	--disk "$work/rw,queues=4,serial=kvlane-rw" --disk "$work/ro,ro,serial=kvlane-ro" \
	--disk "$loop,direct,serial=kvlane-4k"
echo "# with interrupt lines"
for name in disk entropy; do
	relay "$name"
done
finish
