#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices of the host in the guest: vmrun run --vfio. L1 has an NVMe disk, a network
# device behind a root port and "edu" devices, and gives them to guests, which use them.
set -euo pipefail
# shellcheck source=selftests/guest/lend.bash
. "$(dirname "$(readlink -f "$0")")/lend.bash"

again_if_lost "$@"

sys=/sys/bus/pci/devices
# How often the guest is started and restarted.
rounds=${ASSIGN_ROUNDS:-2}
# How often memory is lent while it has a disk, how much at most, and after how many times
# all is looked at.
balloon_rounds=${BALLOON_ROUNDS:-10}
balloon_mib=${BALLOON_MIB:-200}
balloon_piece=50
# How many are verified.
rounds_file=/run/kvlane-assign.rounds

# The address of the first device with these numbers.
find_pci() { # VENDOR DEVICE
	local device
	for device in "$sys"/*; do
		if grep -q -x "0x$1" "$device/vendor" && grep -q -x "0x$2" "$device/device"; then
			basename "$device"
			return
		fi
	done
}

group_of() { # ADDRESS
	basename "$(readlink "$sys/$1/iommu_group")"
}

# Sets pair: the first two devices with these numbers that the IOMMU does not tell apart.
find_pair() { # VENDOR DEVICE
	local device group
	local -A first=()
	pair=()
	for device in "$sys"/*; do
		if grep -q -x "0x$1" "$device/vendor" && grep -q -x "0x$2" "$device/device"; then
			device=${device##*/}
			group=$(group_of "$device")
			if [ "${first[$group]:-}" ]; then
				pair=("${first[$group]}" "$device")
				return
			fi
			first[$group]=$device
		fi
	done
	return 1
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
	if ! eventually 20 unpinned || ! eventually 20 unused; then
		echo "# pinned $(pinned), before $pins; module used by $(cat /sys/module/kvlane/refcnt)"
		return 1
	fi
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

# Where the host has an NVMe device's disk.
disk_of() { # ADDRESS
	local name
	name=$(echo "$sys/$1"/nvme/nvme*/nvme*n1)
	name=${name##*/}
	# One way of several to a disk is not the disk.
	echo "/dev/${name/c[0-9]*n/n}"
}

has_disk() { # ADDRESS
	[ -b "$(disk_of "$1")" ]
}

# What is on the disk, whatever is in memory.
sum_of() { # ADDRESS
	dd if="$(disk_of "$1")" bs=1M iflag=direct status=none | md5sum | cut -d ' ' -f 1
}

# The disk of L1's, with something on it.
fill_disk() { # ADDRESS
	eventually 20 has_disk "$1" &&
		dd if=/dev/urandom of="$(disk_of "$1")" bs=1M count=16 status=none &&
		sync && sum_of "$1" >"$work/sum"
}

boot_nvme() { # NAME [ADDRESS]
	boot_guest "$1" --memory 512M,hugepages=off --cpus 2 --disk "$work/disk" \
		--vfio "${2:-$nvme},bind" && came_up "$1"
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
	"$vmrun" ctl one reset && listens one && same_data
}

quits() { # NAME
	"$vmrun" ctl "$1" quit && wait "${pids[$1]}" && released
}

# Did the emulator lose it? vmrun has ended then, and the guest's kernel has said nothing.
guest_lost() {
	if ! eventually 5 lost_by_emulator "$work/one.err" ||
		grep -q 'BUG:\|Oops\|WARNING:\|panic' "$work/one.console"; then
		return 1
	fi
	sed 's/^/# vmrun: /' "$work/one.err"
	wait "${pids[one]}" || :
	released
}

# Says how far a long test has come; should L1 end, its log has that.
so_far() { # TEXT
	echo "# $1" >&3
	echo "<4>${0##*/}: $1" >/dev/kmsg
}

starts_and_restarts() {
	boot_nvme one && same_data && resets && quits one
}

# By turns another guest is started and restarts.
many_times() {
	local good=0 lost=0
	while ((good < rounds)); do
		if starts_and_restarts; then
			good=$((good + 2))
		elif ((lost < 3 + good / 10)) && guest_lost; then
			lost=$((lost + 1))
		else
			return 1
		fi
		so_far "$good starts and restarts went well, $lost guests were lost by the emulator"
	done
	given_back
}

# The host removes a device: the guest ends, and only then the device is gone.
taken_away() {
	echo 1 >"$sys/$nvme/remove" &
	local status=0 removing=$!
	wait "${pids[one]}" || status=$?
	if [ "$status" != 1 ] || ! grep -q "$nvme): the host wants it back" "$work/one.err"; then
		sed "s/^/# vmrun, status $status: /" "$work/one.err"
		return 1
	fi
	wait "$removing" && [ ! -e "$sys/$nvme" ] && released
}

quits_both() {
	"$vmrun" ctl other quit && wait "${pids[other]}" && quits many
}

has_override() { # ADDRESS DRIVER
	[ "$(cat "$sys/$1/driver_override")" = "$2" ]
}

given_back() {
	eventually 20 has_driver "$nvme" nvme && eventually 20 has_override "$nvme" nvme &&
		eventually 20 has_disk "$nvme" &&
		[ "$(sum_of "$nvme")" = "$(cat "$work/sum")" ]
}

killed() {
	boot_nvme two || return
	guest two 'dd if=/dev/nvme0n1 of=/dev/null bs=64k iflag=direct & :' >"$work/out"
	kill -KILL "${pids[two]}"
	wait "${pids[two]}" 2>/dev/null || :
	released && given_back
}

killed_early() {
	boot_guest two --memory 512M,hugepages=off --cpus 1 --vfio "$nvme,bind"
	eventually 20 has_driver "$nvme" vfio-pci || return
	kill -KILL "${pids[two]}"
	wait "${pids[two]}" 2>/dev/null || :
	released && given_back
}

# Somebody has the name already: that is found when all devices are open.
fails_late() {
	local socket=/run/kvlane/refused.sock pid status=0
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)
		or die "$ARGV[0]: $!"; sleep 600' "$socket" &
	pid=$!
	eventually 20 test -S "$socket" &&
		refused 'a VM of this name runs' --vfio "$nvme,bind" && given_back || status=$?
	kill "$pid" || :
	rm -f "$socket"
	return "$status"
}

# One command to an NVMe controller that manages its functions: virtualization management
# (NVMe 2.0, 5.26) with the resource type, the action and the number of resources.
manage() { # CONTROLLER FUNCTION TYPE ACTION NUMBER
	perl -e 'my ($device, $function, $type, $action, $number) = @ARGV;
		open(my $f, "+<", $device) or die "$device: $!";
		my $command = pack("CCS L3 Q2 L2 L6 L2", 0x1c, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			$function << 16 | $type << 8 | $action, $number, 0, 0, 0, 0, 0, 0);
		my $status = ioctl($f, 0xc0484e41, $command);
		die "$device: status ", $status // $! unless defined $status && $status == 0;' "$@"
}

# A virtual function of an NVMe device: the resources that its parent has for it, one
# interrupt and two queues, taken from the parent and given to it; then it is on line.
make_disk_function() {
	local device control
	for device in "$sys"/*; do
		if [ -e "$device/sriov_totalvfs" ] && grep -q -x 0x010802 "$device/class"; then
			parent=$(basename "$device")
		fi
	done
	eventually 20 has_disk "$parent" || return
	control=/dev/$(basename "$sys/$parent"/nvme/nvme*)
	if [ "$(cat "$sys/$parent/sriov_numvfs")" = 0 ]; then
		manage "$control" 0 0 1 0 && manage "$control" 0 1 1 0 &&
			echo 1 >"$sys/$parent/reset" &&
			echo 0 >"$sys/$parent/sriov_drivers_autoprobe" &&
			echo 1 >"$sys/$parent/sriov_numvfs" &&
			manage "$control" 1 1 8 1 && manage "$control" 1 0 8 2 &&
			manage "$control" 1 0 9 0 || return
	fi
	eventually 20 has_disk "$parent" && part=$(basename "$(readlink "$sys/$parent/virtfn0")")
}

# Its parent has the same data, and goes on.
works_for_both() {
	local status=0
	cp "$work/sum" "$work/sum.nvme"
	make_disk_function && fill_disk "$parent" && boot_nvme one "$part" && same_data &&
		writes_data && quits one &&
		[ "$(sum_of "$parent")" = "$(cat "$work/sum")" ] || status=$?
	mv "$work/sum.nvme" "$work/sum"
	return "$status"
}

# A guest with the disk and a balloon, and memory that it keeps.
boot_lender() {
	boot_guest one --memory 512M,hugepages=thp --cpus 2 --disk "$work/disk" \
		--vfio "$nvme,bind" --balloon && came_up one && well "filling memory" keep_pattern one 64
}

write_disk() { # ARGUMENT...
	echo fio --name=v --filename=/dev/nvme0n1 --rw=randwrite --bs=64k --iodepth=8 \
		--ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 "$@"
}

# Or says that it did not go well.
well() { # WHAT COMMAND...
	local what=$1
	shift
	"$@" || {
		echo "# $what failed"
		return 1
	}
}

disk_is_verified() {
	quietly guest one 'killall -INT fio || :' &&
		eventually 60 guest one 'test -s /tmp/status' >"$work/out" &&
		quietly guest one 'cat /tmp/fio; ! grep "verify:\|err=[^ ]*[1-9]" /tmp/fio' &&
		quietly guest one "$(write_disk)"
}

nothing_pinned() {
	[ "$(figure one pinned)" = 0 ]
}

# A balloon takes memory away from under the disk and gives it back, while the disk writes
# and is verified; then all is looked at.
lend_beside_disk() { # ROUNDS
	quietly guest one "rm -f /tmp/status; ($(write_disk --loops=1000) >/tmp/fio 2>&1; echo \$? >/tmp/status) & :" &&
		well "lending" lend_at_random one "$balloon_mib" "$1" &&
		well "unpinning what is lent" nothing_pinned &&
		well "verifying the disk" disk_is_verified &&
		well "keeping a pattern" has_pattern one 150
}

# Some rounds at a time, until enough of them are verified. Those of a guest that was lost do
# not count, and another one goes on; no more of them than pieces, and a few. How many are
# verified is written down, for the next try of the script if its guest is lost elsewhere.
lends_meanwhile() {
	local verified lost=0 pieces=0 rounds
	verified=$(cat "$rounds_file" 2>/dev/null || echo 0)
	boot_lender || return
	while ((verified < balloon_rounds)); do
		rounds=$((balloon_rounds - verified))
		((rounds <= balloon_piece)) || rounds=$balloon_piece
		if lend_beside_disk "$rounds"; then
			verified=$((verified + rounds)) pieces=$((pieces + 1))
			well "filling memory again" keep_pattern one 64 || return
		elif ((lost < 3 + pieces)) && guest_lost; then
			lost=$((lost + 1))
			boot_lender || return
		else
			break
		fi
		echo "$verified" >"$rounds_file"
		so_far "$verified rounds are verified, $lost guests were lost by the emulator"
	done
	((verified == balloon_rounds)) && interrupts one MSI-X && maps_memory && same_after
}

# As the guest has left it.
same_after() {
	guest one 'md5sum </dev/nvme0n1' | cut -d ' ' -f 1 >"$work/sum"
	quits one && given_back
}

# Two network devices, of which one is a virtual function, a disk, and two of one IOMMU
# group, with nothing but lines to interrupt by.
boot_many() {
	boot_guest many --memory 512M,hugepages=2M --cpus 2 --vfio "$card,bind" \
		--vfio "$function,bind" --vfio "$nvme,bind" \
		--vfio "${pair[0]},bind" --vfio "${pair[1]},bind" &&
		came_up many
}

# The networks of both have their other ends in L1.
talks() {
	quietly guest many ip link set eth0 up && quietly guest many ip link set eth1 up &&
		quietly guest many ip addr add 10.8.0.2/24 dev "$1" &&
		quietly guest many ip addr add 10.9.0.2/24 dev "$2" &&
		eventually 30 guest many ping -c 1 -W 2 10.8.0.1 >"$work/out" &&
		quietly guest many ping -c 20 -i 0.1 -s 1400 10.8.0.1 &&
		eventually 30 guest many ping -c 1 -W 2 10.9.0.1 >"$work/out" &&
		quietly guest many ping -c 20 -i 0.1 -s 1400 10.9.0.1
}

# TCP both ways, over both.
streams() {
	local address
	iperf3 -s -D
	for address in 10.8.0.1 10.9.0.1; do
		quietly guest many "timeout 60 iperf3 -c $address -t 2" &&
			quietly guest many "timeout 60 iperf3 -c $address -t 2 -R" || return
	done
}

# The names that the guest has for them.
interface() { # DRIVER
	guest many "for i in /sys/class/net/eth*; do case \$(readlink \$i/device/driver) in *$1) basename \$i;; esac; done" |
		head -n 1
}

# The one of the device. The host is asked once: its kernel switches the ROM on for each
# page that is read, which the emulator does not bear well (Documentation/testbed.rst).
has_rom() { # INTERFACE
	guest many "cd /sys/class/net/$1/device/ && echo 1 >rom && head -c 512 rom | md5sum; cat rom | wc -c" \
		>"$work/rom" && [ "$(head -n 1 "$work/rom")" = "$rom" ] && [ "$(sed -n 2p "$work/rom")" -gt 512 ]
}

# Of the host's: it begins with 55 aa.
rom_of() { # ADDRESS
	echo 1 >"$sys/$1/rom" && head -c 512 "$sys/$1/rom" >"$work/rom" &&
		[ "$(od -A n -N 2 -t x1 "$work/rom")" = ' 55 aa' ] && md5sum <"$work/rom"
}

# Past the first 256 bytes of its configuration space, 4 bytes from where the capability
# begins: at 0x140 with the host (see e1000e in QEMU), at 0x100 in the guest.
has_serial() { # INTERFACE
	local serial
	serial=$(od -A n -j 324 -N 8 -t x1 "$sys/$card/config" | tr -d ' ')
	guest many "od -A n -j 260 -N 8 -t x1 /sys/class/net/$1/device/config" | tr -d ' ' \
		>"$work/serial"
	if [ "$serial" = 0000000000000000 ] || [ "$(cat "$work/serial")" != "$serial" ]; then
		echo "# host $serial, guest $(cat "$work/serial")"
		return 1
	fi
}

# It is in the part of configuration space that begins at 256. What begins below belongs
# to neither part.
has_no_more() { # INTERFACE
	local slot
	slot=$(guest many "basename \$(readlink /sys/class/net/$1/device)") || return
	slot=${slot#0000:00:}
	guest many "busybox devmem $((0xe0000000 + 0x${slot%.*} * 0x8000 + 0xfc)) 64" |
		grep -q -i -x 0xffffffffffffffff
}

large_pages() {
	"$vmrun" stat many --json >"$work/json" && perl -MJSON::PP -0777 -ne '
		my $m = decode_json($_)->{assigned}{memory};
		exit !($m->{pages}[1]{bytes} == $m->{mapped} && $m->{devices} == 5 &&
			$m->{tables} == 1);' "$work/json"
}

# A virtual function of the card that has them, and the host's ends of both networks.
make_function() {
	local port end
	modprobe -q igb && modprobe -q e1000e && modprobe -q e1000 &&
		port=$(find_pci 8086 10c9) && end=$(find_pci 8086 100e) &&
		[ "$port" ] && [ "$end" ] || return
	eventually 10 test -d "$sys/$port/net" && eventually 10 test -d "$sys/$end/net" || return
	ip link set "$(ls "$sys/$end/net")" up
	ip addr replace 10.8.0.1/24 dev "$(ls "$sys/$end/net")"
	ip link set "$(ls "$sys/$port/net")" up
	ip addr replace 10.9.0.1/24 dev "$(ls "$sys/$port/net")"
	if [ "$(cat "$sys/$port/sriov_numvfs")" = 0 ]; then
		echo 1 >"$sys/$port/sriov_numvfs"
	fi
	function=$(basename "$(readlink "$sys/$port/virtfn0")")
}

drives_both() {
	quietly guest many /tests/edu && [ "$(grep -c '100 interrupts' "$work/out")" = 2 ]
}

# Has a driver of the host's take a device, or "" that none does.
give_to() { # ADDRESS DRIVER
	if [ -e "$sys/$1/driver" ]; then
		echo "$1" >"$sys/$1/driver/unbind"
	fi
	echo "$2" >"$sys/$1/driver_override"
	if [ "$2" ]; then
		echo "$1" >/sys/bus/pci/drivers_probe
	fi
}

# One of a group alone, while a driver has the other.
refuses_half() {
	local status=0
	modprobe -q uio_pci_generic && give_to "${pair[1]}" uio_pci_generic &&
		has_driver "${pair[1]}" uio_pci_generic || return
	refused "${pair[0]}: .*: ${pair[1]} is used by driver uio_pci_generic; unbind that" \
		--vfio "${pair[0]},bind" && ! has_driver "${pair[0]}" vfio-pci || status=$?
	give_to "${pair[1]}" ""
	return "$status"
}

stopped_by_iommu() {
	dmesg | grep -q 'DMAR: \[DMA Write.*fault addr 0x4000000000'
}

# Has the device report an error to the host's kernel, uncorrectable ones of these bits
# (PCI Express 5.0, 7.8.4.2).
report_error() { # ADDRESS BITS
	local address=$1
	perl -e 'print pack("CCCx L7", hex $ARGV[0], hex $ARGV[1], $ARGV[2], hex $ARGV[3],
		0, 0, 0, 0, 0, 0)' "${address:5:2}" "${address:8:2}" "${address:11:1}" "$2" \
		>/dev/aer_inject
}

in_state() { # NAME STATE
	"$vmrun" stat "$1" --json | grep -q "\"state\": \"$2\""
}

errors=0

# As a completion timeout does, which is not fatal, or a malformed packet, which is.
stops_alone() { # BITS
	errors=$((errors + 1))
	report_error "$card" "$1" && eventually 20 in_state many error || return
	if [ "$(grep -c "vfio0 ($card): reported an error (AER)" "$work/many.err")" != "$errors" ] ||
		! in_state other running || ! quietly guest other true; then
		sed 's/^/# vmrun: /' "$work/many.err"
		return 1
	fi
}

resumes() {
	"$vmrun" ctl many resume && in_state many running && quietly guest many true &&
		quietly guest many ping -c 5 -i 0.2 10.8.0.1
}

# The host has reset the link, and the device has forgotten everything.
recovers() {
	local name
	eventually 20 "$vmrun" ctl many resume && in_state many running &&
		grep -q "vfio0 ($card): the host has reset it" "$work/many.err" &&
		name=$(interface e1000e) && quietly guest many ip link set "$name" down &&
		quietly guest many ip link set "$name" up &&
		eventually 60 guest many ping -c 1 -W 2 10.8.0.1 >"$work/out" &&
		quietly guest many ping -c 5 -i 0.2 10.8.0.1
}

restarts_well() {
	: >"$work/many.console"
	"$vmrun" ctl many reset && listens many && in_state many running &&
		talks "$(interface e1000e)" "$(interface igbvf)"
}

need_guests
make_work
exec 3>&1
modprobe -q nvme || skip_all "this kernel has no nvme"
modprobe -q aer_inject || skip_all "this kernel has no aer_inject"
modprobe -q vfio-pci || skip_all "this kernel has no vfio-pci"
# What a try before this one has taken away comes back.
echo 1 >/sys/bus/pci/rescan
nvme=$(find_pci 1b36 0010)
# In one group with the SATA controller.
modprobe -q ahci || skip_all "this kernel has no ahci"
together=$(find_pci 8086 2930)
[ "$nvme" ] || skip_all "no NVMe disk to be had: give the test bed one"
card=$(find_pci 8086 10d3)
find_pair 1234 11e8 || skip_all "no two devices of one IOMMU group"
make_function || skip_all "no network device with virtual functions"
rom=$(rom_of "$card") || rom=unknown
echo 256 >/proc/sys/vm/nr_hugepages
drivers=(nvme e1000e igbvf uio_pci_generic virtio_balloon)
make_initramfs edu pattern
add_talk fio iperf3 cmp
pins=$(pinned)
truncate -s 1M "$work/disk"
case ${ASSIGN_ONLY:-} in
'') plan 36 ;;
balloon | restarts) plan 2 ;;
*)
	echo "# ASSIGN_ONLY is balloon or restarts, not $ASSIGN_ONLY"
	exit 1
	;;
esac
# What it says is to be said afterwards, too.
echo nvme >"$sys/$nvme/driver_override"
check "the host has a disk" fill_disk "$nvme"
case ${ASSIGN_ONLY:-} in
balloon)
	check "a balloon goes together with it" lends_meanwhile
	finish
	;;
restarts)
	check "restarts and new starts" many_times
	finish
	;;
esac
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
check "or killed before the guest has begun" killed_early
check "or ends with a device that it has already" fails_late
check "a virtual function is a disk, too" works_for_both
check "a balloon goes together with it" lends_meanwhile
check "half of an IOMMU group is refused" refuses_half
check "a guest has five devices" boot_many
check "two of them are networks" talks "$(interface e1000e)" "$(interface igbvf)"
check "they carry streams" streams
check "one has a ROM" has_rom "$(interface e1000e)"
check "it has its serial number" has_serial "$(interface e1000e)"
check "and nothing that is not its own" has_no_more "$(interface e1000e)"
check "both of a group have a line, and DMA" drives_both
check "DMA to nowhere is stopped" stopped_by_iommu
check "memory is in the largest pages" large_pages
boot_guest other --memory 512M,hugepages=off --cpus 1
check "another guest has none" came_up other
check "an error of a device stops its guest alone" stops_alone 4000
check "which can go on" resumes
check "a fatal one stops it as well" stops_alone 40000
check "and it goes on with the link reset" recovers
check "after another one it restarts" stops_alone 40000
check "and has all devices again" restarts_well
check "they end well" quits_both
check "restarts and new starts" many_times
boot_nvme one || :
check "the host takes a device away" taken_away
finish
