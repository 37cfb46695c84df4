#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices by vDPA for the host's own kernel: a disk and a network interface. Its drivers
# are the guest's, and take every feature that is offered.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

net=10.77.8

clean_up() {
	umount "$work/mount" "$work/cut" 2>/dev/null || :
	for name in own card; do
		"$vmrun" vdpa del "$name" 2>/dev/null || :
	done
	dmsetup remove --retry kvlane-own 2>/dev/null || :
	losetup -j "$work/disk" -j "$work/log" -O NAME -n | xargs -r losetup -d
	ip netns del kvown 2>/dev/null || :
	ip link del kvbr 2>/dev/null || :
	rm -rf "$work"
}

quietly() { # COMMAND...
	"$@" >"$work/said" 2>&1 && return
	sed 's/^/# /' "$work/said"
	return 1
}

eventually() { # COMMAND...
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

add() { # NAME ARGUMENT...
	"$vmrun" vdpa add --name "$1" --driver virtio "${@:2}" >"$work/$1"
}

del() { # NAME
	"$vmrun" vdpa del "$1"
}

# Where the driver has it.
virtio() { # NAME
	echo "/sys/bus/virtio/devices/$(cat "$work/$1")"
}

# shellcheck disable=SC2120
add_disk() { # [ARGUMENT...]
	add own --disk "${backing:-$work/disk},direct" "$@" &&
		disk=/dev/$(ls "$(virtio own)/block")
}

has_disk() {
	add_disk && quietly mkfs.ext4 -q -F "$disk" && mount "$disk" "$work/mount" &&
		quietly fio --name=own --directory="$work/mount" --rw=randrw --bs=4k --size=16M \
			--ioengine=libaio --direct=1 --iodepth=16 --verify=crc32c \
			--minimal && cp "$work/mount"/own* "$work/copy" &&
		umount "$work/mount" && del own && eventually unused &&
		quietly e2fsck -fn "$work/disk" && mount -o loop "$work/disk" "$work/mount" &&
		cmp "$work/mount"/own* "$work/copy" && umount "$work/mount"
}

allocated() {
	stat -c %b "$work/disk"
}

discards() {
	local before
	add_disk && mount "$disk" "$work/mount" && rm "$work/mount"/own* && sync || return
	before=$(allocated)
	quietly fstrim "$work/mount" && umount "$work/mount" && del own || return
	echo "# $before sectors before, $(allocated) after"
	[ "$(($(allocated) + 20000))" -lt "$before" ]
}

# What the driver has accepted, as bits from the lowest on.
accepted() { # NAME
	cat "$(virtio "$1")/features"
}

# What network features others need, section 5.1.3.1 of virtio 1.2.
# shellcheck disable=SC2034	# by name
declare -A needed_by=([0]='11 12 56' [1]='7 8 54 55' [17]='2 18 19 20 21 22 23 60')
# shellcheck disable=SC2034
declare -A none=()

without() { # MASK BIT NEEDED-BY
	local -n needed=$3
	local mask=$1 bit
	for bit in "$2" ${needed[$2]:-}; do
		((mask &= ~(1 << bit))) || :
	done
	# Of two features, one would do for them.
	if [ "$3" != none ] && ! ((mask & 3 << 7)); then
		((mask &= ~(1 << 9))) || :
	fi
	if [ "$3" != none ] && ! ((mask & 3 << 11)); then
		((mask &= ~(1 << 13))) || :
	fi
	printf '0x%x' "$mask"
}

# The device works without each of the bits that the driver takes, one by one.
toggles() { # NAME ADD WORKS NEEDED-BY
	local name=$1 bits mask=0 i some=0
	"$2" && bits=$(accepted "$name") && del "$name" || return
	for ((i = 0; i < 64; i++)); do
		((mask |= ${bits:i:1} << i)) || :
	done
	for ((i = 0; i < 64; i++)); do
		# Without these two there is no vDPA.
		if [ "${bits:i:1}" = 0 ] || [ "$i" = 32 ] || [ "$i" = 33 ]; then
			continue
		fi
		if ! "$2" --features "$(without "$mask" "$i" "$4")" ||
			[ "$(accepted "$name" | cut -c $((i + 1)))" != 0 ] || ! "$3" || ! del "$name"; then
			echo "# without bit $i of $bits"
			return 1
		fi
		some=$((some + 1))
	done
	echo "# $some features"
	[ "$some" -ge 8 ]
}

disk_works() {
	quietly dd if=/dev/urandom of="$work/random" bs=64k count=4 &&
		quietly dd if="$work/random" of="$disk" bs=64k oflag=direct conv=fsync &&
		cmp -n 262144 "$work/random" "$work/disk"
}

# Requests of the disk until now.
requests() {
	"$vmrun" vdpa list | awk '$1 == "own" { print $(NF - 1) }'
}

# No more than the limit while somebody reads as much as he can, and something.
is_limited() {
	local start before after allowed load
	backing=$work/disk,iops=50 add_disk || return
	while dd if="$disk" of=/dev/null bs=4k count=64 iflag=direct status=none; do
		:
	done 2>"$work/said" &
	load=$!
	sleep 0.5
	start=${EPOCHREALTIME/./} before=$(requests)
	sleep 2
	after=$(requests) allowed=$(((${EPOCHREALTIME/./} - start) * 50 / 1000000 + 8))
	echo "# $((after - before)) requests, allowed are 1 to $allowed"
	del own && wait "$load" && ((after > before && after - before <= allowed))
}

# The module's trace points tell of each request.
is_traced() {
	local trace=/sys/kernel/tracing/instances/own status=0
	[ -d "$trace" ] || mount -t tracefs none /sys/kernel/tracing 2>"$work/said" || :
	mkdir "$trace" && add_disk && echo 1 >"$trace/events/kvlane/kvlane_done/enable" &&
		quietly dd if="$disk" of=/dev/null bs=4k count=32 iflag=direct || status=1
	[ "$(grep -c kvlane_done "$trace/trace")" -ge 32 ] || status=1
	echo 0 >"$trace/events/kvlane/kvlane_done/enable" && rmdir "$trace" && del own &&
		return "$status"
}

# Taken away under load: errors for who uses it, and nothing worse.
disk_goes() {
	local load
	add_disk || return
	while dd if=/dev/zero of="$disk" bs=64k count=64 oflag=direct conv=nocreat status=none \
		2>"$work/said"; do
		:
	done &
	load=$!
	sleep 1
	del own && wait "$load" && eventually unused
}

# The last file that was said to be stable.
stable() {
	sed -n 's/^# stable \([0-9]*\)$/\1/p' "$work/files" | tail -n 1
}

writes_some() {
	[ "$(stable)" ] && [ "$(stable)" -ge 20 ]
}

# A disk on dm-log-writes; at a time in the middle of it all the power is cut.
logs_writes() {
	local loops files status=0
	rm "$work/disk" && truncate -s 64M "$work/disk" && truncate -s 512M "$work/log" &&
		quietly mkfs.ext4 -q -F -J size=4 -E lazy_itable_init=0 "$work/disk" &&
		cp --sparse=always "$work/disk" "$work/before" || return
	loops=("$(losetup --find --show "$work/disk")" "$(losetup --find --show "$work/log")")
	dmsetup create kvlane-own --table "0 $((64 * 2048)) log-writes ${loops[*]}" &&
		dmsetup mknodes kvlane-own &&
		backing=/dev/mapper/kvlane-own add_disk && mount "$disk" "$work/mount" || return
	"$programs/filer" write "$work/mount" >"$work/files" &
	files=$!
	eventually writes_some || status=1
	promised=$(stable)
	dmsetup message kvlane-own 0 mark killed
	kill -KILL "$files" 2>/dev/null || :
	wait "$files" 2>/dev/null || :
	umount "$work/mount" && del own && "$programs/cut" marked "$work/log" || status=1
	dmsetup remove --retry kvlane-own && losetup -d "${loops[@]}" && return "$status"
}

# After a cut: it mounts, holds what was promised, and fsck is content.
check_cut() { # CUT SEED STABLE
	local status=0
	cp --sparse=always "$work/before" "$work/image" &&
		entries=$("$programs/cut" replay "$work/log" "$work/image" "$1" "$2") &&
		mount -o loop "$work/image" "$work/cut" || return
	"$programs/filer" verify "$work/cut" "$3" || status=$?
	umount "$work/cut"
	[ "$status" = 0 ] && quietly e2fsck -fn "$work/image"
}

flushes() {
	local i
	logs_writes && check_cut end 1 "$promised" || return
	for ((i = 0; i < 4; i++)); do
		check_cut $((RANDOM * 32768 % (entries + 1))) $((RANDOM + 1)) 0 || return
	done
	echo "# $promised files were stable, $entries writes and flushes"
}

# The interface is where nothing but it leads to the bridge.
# shellcheck disable=SC2120
add_card() { # [ARGUMENT...]
	local device
	add card --net bridge=kvbr,mac=02:00:00:00:77:08 "$@" || return
	device=$(ls "$(virtio card)/net")
	ip link set "$device" netns kvown name eth0 &&
		ip -n kvown addr add "$net.2/24" dev eth0 && ip -n kvown link set eth0 up
}

pings() {
	quietly ip netns exec kvown busybox ping -c 2 -W 5 "$net.1"
}

# A feature without what it needs would have the driver give up on the device.
refuses_parts() {
	! add_card --features "$(printf '0x%x' $((3 << 32 | 1 << 11)))" 2>"$work/said" &&
		grep -q 'leave --features away' "$work/said" && eventually unused
}

has_card() {
	add_card && pings || return
	iperf3 --server --one-off >"$work/server" 2>&1 &
	sleep 0.5
	quietly ip netns exec kvown iperf3 --client "$net.1" --time 2 --parallel 2 || return
	wait $! || return
	iperf3 --server --one-off >"$work/server" 2>&1 &
	sleep 0.5
	quietly ip netns exec kvown iperf3 --client "$net.1" --time 2 --reverse && wait $!
}

below_segments() { # on|off
	ethtool -k "$(basename /sys/class/net/kvl*)" | grep -q "^tcp-segmentation-offload: $1\$"
}

# The driver holds the lock of the network stack while it waits for the device, which has
# to tell the tap under it.
has_offloads() {
	local setting
	for setting in off on; do
		quietly ip netns exec kvown ethtool -K eth0 rx-gro-hw "$setting" &&
			eventually below_segments "$setting" && pings || return
	done
}

# vDPA's own counters.
counts() {
	quietly vdpa dev vstats show card qidx 0 && grep -q 'requests [1-9]' "$work/said" &&
		quietly vdpa dev vstats show card qidx 1 && grep -q 'bytes_in [1-9]' "$work/said" &&
		vdpa dev vstats show card qidx 9 2>"$work/said" &&
		grep -q 'has no such queue' "$work/said"
}

card_goes() {
	local server load
	iperf3 --server --one-off >"$work/server" 2>&1 &
	server=$!
	sleep 0.5
	ip netns exec kvown iperf3 --client "$net.1" --time 20 --bidir >"$work/said" 2>&1 &
	load=$!
	sleep 2
	del card && eventually unused && ! grep -q kvl /proc/net/dev || return
	kill "$load" "$server" && ! wait "$load" "$server"
}

is_for_group() { # NODE
	[ "$(stat -c '%G %a' "$1")" = 'kvm 660' ]
}

# The rule that "make install" installs.
has_rule() {
	local node udevd=/lib/systemd/systemd-udevd
	if [ ! -x "$udevd" ] || ! modprobe -q vhost_vdpa || ! getent group kvm >"$work/said"; then
		echo "# no udev, no module vhost_vdpa or no group kvm"
		return
	fi
	mkdir -p /run/udev/rules.d && cp "$top/packaging/60-kvlane.rules" /run/udev/rules.d/ &&
		quietly "$udevd" --daemon && node=$("$vmrun" vdpa add --name own --rng) || return
	eventually is_for_group "$node" && del own && quietly udevadm control --exit
}

# What vhost-vdpa's users are offered, as bits from the lowest on.
offered() { # NAME ARGUMENT...
	local node
	node=$("$vmrun" vdpa add --name "$1" --driver vhost "${@:2}") || return
	python3 - "$node" <<-EOT
		import fcntl, sys
		VHOST_GET_FEATURES = 0x8008af00
		bits = bytearray(8)
		with open(sys.argv[1], "r+b", buffering=0) as node:
		    fcntl.ioctl(node, VHOST_GET_FEATURES, bits)
		print(f"{int.from_bytes(bits, 'little'):064b}"[::-1])
	EOT
	del "$1"
}

# The driver takes all of it, but for what Linux has no use for.
takes() { # NAME ADD EXCEPT ARGUMENT...
	local name=$1 all bits i left=
	modprobe -q vhost_vdpa || return
	all=$(offered "$name" "${@:4}") && "$2" && bits=$(accepted "$name") && del "$name" ||
		return
	for ((i = 0; i < 64; i++)); do
		if [ "${all:i:1}" != "${bits:i:1}" ]; then
			left+=" $i"
		fi
	done
	echo "# all but$left of $all"
	[ "$left" = "$3" ]
}

need_module() {
	[ -x "$vmrun" ] || skip_all "no $vmrun: run make vmrun"
	[ -e /dev/kvlane ] || skip_all "the module kvlane is not loaded"
	for module in virtio_vdpa virtio_blk virtio_net tun bridge loop ext4 dm-mod \
		dm-log-writes; do
		modprobe -q "$module" || skip_all "no module $module"
	done
}

need_module
work=$(mktemp -d /tmp/kvlane-own.XXXXXX)
trap clean_up EXIT
mkdir "$work/mount" "$work/cut"
truncate -s 64M "$work/disk"
ip netns add kvown
ip link add kvbr type bridge
ip addr add "$net.1/24" dev kvbr
ip link set kvbr up

plan 16
check "the kernel has a disk" has_disk
check "it discards" discards
check "it does without each feature" toggles own add_disk disk_works none
check "it keeps to a limit" is_limited
check "it is traced" is_traced
check "it is taken away under load" disk_goes
check "what was flushed survives a power cut" flushes
check "the kernel has a network interface" has_card
check "its offloads change" has_offloads
check "vDPA has its counters" counts
check "it is taken away under load, too" card_goes
check "it is not made without what its features need" refuses_parts
check "it does without each feature" toggles card add_card pings needed_by
check "vhost-vdpa's node is for group kvm" has_rule
check "a disk's driver takes every feature" takes own add_disk "" --disk "$work/disk,direct"
# VIRTIO_NET_F_CTRL_RX_EXTRA.
check "a network interface's takes all but one" takes card add_card " 20" \
	--net bridge=kvbr,mac=02:00:00:00:77:08
finish
