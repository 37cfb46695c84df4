#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices of the host in the guest: vmrun run --vfio. L1 has an NVMe disk, a network
# device behind a root port and "edu" devices, and gives them to guests, which use them.
set -euo pipefail
# shellcheck source=selftests/guest/talk.bash
. "$(dirname "$(readlink -f "$0")")/talk.bash"

again_if_lost "$@"

sys=/sys/bus/pci/devices

# The addresses of devices with these numbers.
find_pci() { # VENDOR DEVICE
	grep -l -x "0x$2" "$sys"/*/device | while read -r file; do
		if grep -q -x "0x$1" "${file%/*}/vendor"; then
			basename "${file%/*}"
		fi
	done
}

driver_of() { # ADDRESS
	basename "$(readlink "$sys/$1/driver" || echo none)"
}

has_driver() { # ADDRESS DRIVER
	[ "$(driver_of "$1")" = "$2" ]
}

# Pages that are pinned for devices.
pinned() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { n += $2 } /^nr_foll_pin_released/ { n -= $2 }
		END { print n }' /proc/vmstat
}

unpinned() {
	[ "$(pinned)" = "$pins" ]
}

# Nothing is left of a guest.
released() {
	eventually 20 unpinned && eventually 20 unused || {
		echo "# pinned $(pinned), before $pins; module used by $(cat /sys/module/kvlane/refcnt)"
		return 1
	}
}

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	timeout 60 "$vmrun" run --kernel "$kernel" --memory 256M --cpus 1 --name refused "$@" \
		</dev/null >"$work/out" 2>"$work/refused" || status=$?
	if [ "$status" != 2 ] || ! grep -q -e "$pattern" "$work/refused" ||
		[ "$(grep -c ': --vfio\|^vmrun' "$work/refused")" -gt 1 ]; then
		echo "# status $status"
		sed 's/^/# /' "$work/refused"
		return 1
	fi
	released
}

refuses() {
	refused 'no PCI address' --vfio none &&
		refused 'comes twice' --vfio "$nvme" --vfio "$nvme" &&
		refused 'no such PCI device' --vfio 0000:ff:1f.7 &&
		refused "unknown option 'now'" --vfio "$nvme,now" &&
		refused "with driver nvme; give $nvme,bind" --vfio "$nvme" &&
		refused 'is used by driver ahci; unbind that' --vfio "$together,bind" &&
		has_driver "$nvme" nvme && ! has_driver "$together" vfio-pci
}

# The disk of L1's, with something on it.
fill_disk() {
	eventually 20 test -b /dev/nvme0n1 &&
		dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=16 status=none &&
		sync && md5sum </dev/nvme0n1 | cut -d ' ' -f 1 >"$work/sum"
}

boot_nvme() { # NAME
	boot_guest "$1" --memory 512M,hugepages=off --cpus 2 --disk "$work/disk" \
		--vfio "$nvme,bind" && came_up "$1"
}

same_data() {
	[ "$(guest one 'md5sum </dev/nvme0n1' | cut -d ' ' -f 1)" = "$(cat "$work/sum")" ]
}

# What the guest writes L1 has to find.
writes_data() {
	quietly guest one dd if=/dev/urandom of=/tmp/data bs=64k count=64 &&
		quietly guest one dd if=/tmp/data of=/dev/nvme0n1 bs=64k seek=32 oflag=direct &&
		guest one 'md5sum </dev/nvme0n1' | cut -d ' ' -f 1 >"$work/sum"
}

verifies() {
	quietly guest one fio --name=v --filename=/dev/nvme0n1 --offset=8M --size=8M \
		--rw=randwrite --bs=4k --iodepth=8 --ioengine=libaio --direct=1 \
		--verify=crc32c --do_verify=1 &&
		guest one 'md5sum </dev/nvme0n1' | cut -d ' ' -f 1 >"$work/sum"
}

# Vectors of the device itself, one for each of the guest's queues and more.
interrupts() { # NAME KIND
	"$vmrun" stat "$1" --json >"$work/json" &&
		grep -q "\"interrupt\": \"$2\"" "$work/json"
}

maps_memory() {
	perl -MJSON::PP -0777 -ne '
		my $m = decode_json($_)->{assigned}{memory};
		my $sum = 0;
		$sum += $_->{bytes} for @{$m->{pages}};
		exit !($m->{mapped} == 512 << 20 && $sum == 512 << 20 && $m->{devices} == 1);' \
		"$work/json"
}

resets() {
	: >"$work/one.console"
	"$vmrun" ctl one reset && came_up one && same_data
}

quits() { # NAME
	"$vmrun" ctl "$1" quit && wait "${pids[$1]}" && released
}

given_back() {
	eventually 20 has_driver "$nvme" nvme && eventually 20 test -b /dev/nvme0n1 &&
		[ "$(md5sum </dev/nvme0n1 | cut -d ' ' -f 1)" = "$(cat "$work/sum")" ]
}

killed() {
	boot_nvme two || return
	guest two 'dd if=/dev/nvme0n1 of=/dev/null bs=64k iflag=direct & :' >"$work/out"
	kill -KILL "${pids[two]}"
	wait "${pids[two]}" 2>/dev/null || :
	released && given_back
}

need_guests
make_work
exec 3>&1
modprobe -q nvme || skip_all "this kernel has no nvme"
modprobe -q vfio-pci || skip_all "this kernel has no vfio-pci"
nvme=$(find_pci 1b36 0010 | head -n 1)
# In one group with the SATA controller.
modprobe -q ahci || skip_all "this kernel has no ahci"
together=$(find_pci 8086 2930 | head -n 1)
[ "$nvme" ] || skip_all "no NVMe disk to be had: give the test bed one"
drivers=(nvme)
make_initramfs "$@"
add_talk fio
pins=$(pinned)
truncate -s 1M "$work/disk"
plan 12
check "the host has a disk" fill_disk
check "what cannot be had is refused, and nothing is left bound" refuses
check "a guest comes up with it" boot_nvme one
check "the data is the same" same_data
check "what it writes it can read" writes_data
check "also with many requests, and verified" verifies
check "interrupts are the device's own" interrupts one MSI-X
check "all memory is mapped" maps_memory
check "the guest restarts with it" resets
check "it ends, and nothing is pinned" quits one
check "the host has the disk again, and the data" given_back
check "also if vmrun is killed" killed
finish
