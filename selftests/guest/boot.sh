#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The ways to boot: a bzImage, the ELF kernel inside it, one processor and several;
# and the ways to notify a device.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

is_elf() {
	[ "$(head -c 4 "$1" | tail -c 3)" = ELF ]
}

# Unpacks the ELF kernel from the first place of a bzImage that yields one.
extract_elf() {
	local tool magic at
	for tool in "zstd -dcq:\x28\xb5\x2f\xfd" "xz -dc:\xfd7zXZ" "gzip -dc:\x1f\x8b\x08"; do
		magic=${tool#*:}
		while read -r at; do
			tail -c "+$((at + 1))" "$kernel" |
				${tool%%:*} >"$work/vmlinux" 2>/dev/null || :
			if is_elf "$work/vmlinux"; then
				return 0
			fi
		done < <(LC_ALL=C grep -a -b -o -P "$magic" "$kernel" | LC_ALL=C cut -d : -f 1)
	done
	return 1
}

came_up() {
	if grep -q -x '# guest is up' "$work/lines" && [ "$status" = 0 ]; then
		return 0
	fi
	show_console
	return 1
}

need_guests
make_work
make_initramfs notify
truncate -s 1M "$work/disk"
plan 6
boot "" --cpus 1
check "a bzImage boots" came_up
check "without a device the module is not used" unused
check "a bzImage contains an ELF kernel" extract_elf
kernel=$work/vmlinux
boot "kvlane.run=notify kvlane.notify=mmio" --cpus 2 --notify mmio --disk "$work/disk"
check "and that boots through its PVH entry" came_up
relay notify
boot "kvlane.run=notify kvlane.notify=port" --cpus 1 --notify port --disk "$work/disk"
relay notify
finish
