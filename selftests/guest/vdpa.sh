#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices by vDPA: vmrun vdpa. QEMU as it comes has them in a guest; for the host's own
# kernel see own.sh.
set -euo pipefail
# shellcheck source=selftests/guest/talk.bash
. "$(dirname "$(readlink -f "$0")")/talk.bash"

again_if_lost "$@"

# How often QEMU is killed and started again.
restarts=${VDPA_RESTARTS:-2}
net=10.77.7

vdpa() { # ARGUMENT...
	"$vmrun" vdpa "$@"
}

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	vdpa "$@" >"$work/out" 2>"$work/refused" </dev/null || status=$?
	if [ "$status" = 0 ] || [ "$status" -gt 2 ] || ! grep -q -e "$pattern" "$work/refused" ||
		[ "$(wc -l <"$work/refused")" != 1 ]; then
		echo "# status $status"
		sed 's/^/# /' "$work/refused"
		return 1
	fi
}

refuses() {
	refused 'give add, list' &&
		refused 'is not known' frob &&
		refused 'name is missing' add --rng &&
		refused 'letters, digits' add --name a/b --rng &&
		refused 'give one of' add --name x &&
		refused 'give one of' add --name x --rng --balloon &&
		refused 'give vhost or virtio' add --name x --rng --driver vfio &&
		refused 'give a number' add --name x --rng --features all &&
		refused 'No such file' add --name x --disk "$work/none" &&
		refused 'one queue pair' add --name x --net tap=t0,queues=2 &&
		refused 'vDPA does not add it' add --name x --rng --features 0x8000000000000000 &&
		refused 'no such device' del x &&
		refused 'no such device' balloon x &&
		[ "$(vdpa list | wc -l)" = 1 ]
}

declare -A node=()

add() { # NAME ARGUMENT...
	node[$1]=$(vdpa add --name "$@") && [ -c "${node[$1]}" ]
}

# A disk with Debian's programs, and what they need.
make_system() {
	local tree=$work/system.d program files
	mkdir -p "$tree/dev" "$tree/proc" "$tree/tmp" || return
	for program in fio iperf3; do
		program=$(command -v "$program") || return
		read -r -d '' -a files < <(ldd "$program" | grep -o '/[^ ]*') || :
		cp -L --parents "$program" "${files[@]}" "$tree" || return
	done
	truncate -s 256M "$work/system" && quietly mkfs.ext4 -q -F -d "$tree" "$work/system"
}

adds() {
	truncate -s 64M "$work/disk" && make_system &&
		add system0 --disk "$work/system,ro" &&
		add disk0 --disk "$work/disk,queues=2,serial=by-vdpa" && add rng0 --rng &&
		add balloon0 --balloon=hinting=on && add net0 --net bridge=kvbr,mac=02:00:00:00:77:02 &&
		refused 'there is such a device' add --name disk0 --rng &&
		refused 'is no balloon' balloon rng0 && [ "$(vdpa list | wc -l)" = 6 ]
}

state() { # NAME
	vdpa list --json | sed -n "/\"name\": \"$1\"/,/}/p" |
		sed -n 's/.*"state": "\(.*\)".*/\1/p'
}

is() { # NAME STATE
	[ "$(state "$1")" = "$2" ]
}

all_are() { # STATE
	is disk0 "$1" && is system0 "$1" && is rng0 "$1" && is balloon0 "$1" && is net0 "$1"
}

# In the place of vmrun, for the functions of talk.bash.
boot_qemu() {
	local fd name=one
	rm -f "$work/$name.in" "$work/$name.silent"
	mkfifo "$work/$name.in"
	: >"$work/$name.console"
	exec {fd}<>"$work/$name.in"
	inputs[$name]=$fd
	qemu-system-x86_64 -accel kvm -cpu host -smp 2 -m 256M -machine q35,memory-backend=m \
		-object "memory-backend-memfd,id=m,size=256M,share=on" -nodefaults \
		-display none -no-user-config -chardev stdio,id=con,signal=off -serial chardev:con \
		-chardev "pipe,id=mon,path=$work/monitor" -mon chardev=mon \
		-kernel "$kernel" -initrd "$work/initrd" \
		-append "console=ttyS0 loglevel=4 panic=-1 mitigations=off kvlane.run=talk" \
		-device "vhost-vdpa-device-pci,vhostdev=${node[disk0]}" \
		-device "vhost-vdpa-device-pci,vhostdev=${node[system0]}" \
		-device "vhost-vdpa-device-pci,vhostdev=${node[rng0]}" \
		-device "vhost-vdpa-device-pci,vhostdev=${node[balloon0]}" \
		-netdev "vhost-vdpa,id=n0,vhostdev=${node[net0]}" \
		-device virtio-net-pci,netdev=n0,romfile= \
		<"$work/$name.in" >"$work/$name.console" 2>"$work/$name.err" &
	pids[$name]=$!
}

kill_qemu() {
	kill -KILL "${pids[one]}" 2>/dev/null
	wait "${pids[one]}" 2>/dev/null || :
	eventually 20 all_are idle
}

starts() {
	boot_qemu
	if ! eventually $((80 * slow)) said one '^# guest is up' && emulated; then
		echo "# the guest's kernel did not come up: once more"
		kill_qemu
		boot_qemu
	fi
	listens one && eventually 20 all_are running
}

monitor() { # COMMAND
	echo "$1" >"$work/monitor.in"
}

# The guest's disk and the image hold the same.
same_disk() {
	local there here
	there=$(guest one 'echo 1 >/proc/sys/vm/drop_caches; md5sum </dev/vda')
	here=$(md5sum <"$work/disk")
	[ -n "$there" ] && [ "$there" = "$here" ]
}

writes() {
	quietly guest one 'grep -q by-vdpa /sys/block/vda/serial && dd if=/dev/urandom of=/dev/vda bs=1M count=24 conv=fsync && dd if=/dev/urandom of=/dev/vda bs=4k count=200 seek=9000 oflag=direct conv=fsync' &&
		same_disk
}

random() {
	quietly guest one 'dd if=/dev/hwrng of=/tmp/r bs=512 count=8 && ! cmp -s -n 2048 /tmp/r /dev/zero'
}

talks() {
	quietly guest one "ip addr add $net.2/24 dev eth0; ip link set eth0 up; ping -c 3 -W 5 $net.1"
}

mounts_system() {
	quietly guest one 'mkdir -p /system && mount -o ro /dev/vdb /system && mount -o bind /dev /system/dev && mount -t proc none /system/proc && mount -t tmpfs none /system/tmp'
}

verifies() {
	mounts_system &&
		quietly guest one 'chroot /system /usr/bin/fio --name=v --filename=/dev/vda --rw=randrw --bs=4k --size=4M --direct=1 --thread --verify=crc32c --aux-path=/tmp' &&
		same_disk
}

streams() {
	local server
	iperf3 --server --one-off >"$work/server" 2>&1 &
	server=$!
	sleep 0.5
	quietly guest one "chroot /system /usr/bin/iperf3 --client $net.1 --time 3 --parallel 2" &&
		wait "$server"
}

# All of it, and most of it in whole blocks.
lent() {
	vdpa balloon balloon0 >"$work/lent" &&
		grep -q 'lent 64 MiB, given to the host \(5[0-9.]*\|6[0-4.]*\) MiB' "$work/lent"
}

returned() {
	vdpa balloon balloon0 >"$work/lent" && grep -q 'lent 0 B, given to the host 0 B' "$work/lent"
}

lends() {
	vdpa balloon balloon0 64M && eventually 60 lent && vdpa balloon balloon0 0 &&
		eventually 60 returned && same_disk && return
	sed 's/^/# /' "$work/lent"
	return 1
}

# As a VMM asks that moves the guest. At first nearly all memory of a guest is free.
hints() {
	local kib
	kib=$("$programs/hints" balloon0 "${pids[one]}" $((256 << 20))) && same_disk || return
	[ "$kib" -ge $((64 << 10)) ] && [ "$kib" -lt $((256 << 10)) ] && return
	echo "# $kib KiB"
	return 1
}

# Requests are in flight when the queues are to stand still; none is lost.
# shellcheck disable=SC2016	# for the guest's shell
suspends() {
	local i
	guest one '(dd if=/dev/urandom of=/tmp/some bs=1M count=4; i=0; while [ $i -lt 12 ]; do dd if=/tmp/some of=/dev/vda bs=64k seek=$((i * 64)) oflag=direct conv=fsync || echo bad >/tmp/bad; i=$((i + 1)); done; touch /tmp/done) >/dev/null 2>&1 &' || return
	for i in 1 2 3; do
		sleep 0.5
		monitor stop && sleep 0.3 && monitor cont || return
	done
	eventually 60 guest one 'test -e /tmp/done' &&
		quietly guest one 'test ! -e /tmp/bad' && same_disk && talks_again
}

talks_again() {
	quietly guest one "ping -c 3 -W 5 $net.1"
}

# shellcheck disable=SC2016	# for the guest's shell
rebinds() {
	quietly guest one 'd=$(basename $(readlink -f /sys/block/vda/device)) && cd /sys/bus/virtio/drivers/virtio_blk && echo $d >unbind && echo $d >bind && test -b /dev/vda' &&
		same_disk
}

# The emulator may lose a guest that restarts; then it is what a new one finds that counts.
restarts() {
	: >"$work/one.console"
	monitor system_reset
	if ! eventually $((80 * slow)) said one '^# guest is up' && emulated; then
		echo "# the guest's kernel did not come up: once more"
		kill_qemu && starts || return
	fi
	listens one && eventually 20 all_are running && same_disk
}

survives_kills() {
	local i
	for ((i = 0; i < restarts; i++)); do
		guest one 'dd if=/dev/zero of=/dev/vda bs=256k oflag=direct >/dev/null 2>&1 & ping -A '"$net"'.1 >/dev/null 2>&1 & dd if=/dev/hwrng of=/dev/null >/dev/null 2>&1 &' || return
		sleep 1
		kill_qemu && starts || return
	done
	writes
}

# Deleting is refused as long as QEMU has them, and so is taking the module away.
goes() {
	local name
	refused 'is in use' del disk0 && ! rmmod kvlane 2>"$work/out" && kill_qemu || return
	for name in disk0 system0 rng0 balloon0 net0; do
		vdpa del "$name" || return
	done
	eventually 10 unused && [ "$(vdpa list | wc -l)" = 1 ] && ! grep -q kvl /proc/net/dev
}

need_guests
command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64"
for module in vhost_vdpa tun bridge; do
	modprobe -q "$module" || skip_all "no module $module"
done
make_work
exec 3>&1
# shellcheck disable=SC2034	# for guest.bash
drivers=(virtio_net virtio_balloon ext4)
# shellcheck disable=SC2119	# with no programs
make_initramfs
# shellcheck disable=SC2119
add_talk
# Held open, and with room for what the monitor says.
mkfifo "$work/monitor.in" "$work/monitor.out"
exec 8<>"$work/monitor.in" 9<>"$work/monitor.out"
ip link add kvbr type bridge
ip addr add $net.1/24 dev kvbr
ip link set kvbr up

plan 15
check "what is wrong is refused" refuses
check "devices are added and listed" adds
check "a guest of QEMU comes up with them" starts
check "its disk is the image" writes
check "it has random bytes" random
check "it talks to the host" talks
# Before fio leaves the guest's free memory in pieces, none of which is a block.
check "it lends memory to the host" lends
check "its driver names memory that it has no use for" hints
check "fio, from a disk of its own, finds what it has written" verifies
check "iperf3 streams to the host" streams
check "it stands still and goes on" suspends
check "its driver lets go and comes back" rebinds
check "it restarts" restarts
check "QEMU is killed under load" survives_kills
check "they go, but not while they are in use" goes
ip link del kvbr
finish
