# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The command lines of what is compared. Each sets the array "command".
#
#	vmrun		kvlane
#	vmrun-port	the same, notified through a port whatever the host; for reads only,
#			so that several can have the same disks
#	vmrun-mmio	the same, notified through memory
#	vmrun-eoi-exits	the same, without PV-EOI; the disks are read-only, too
#	vmrun-split	the same, without packed rings
#	vmrun-coalesce	the same, holding interrupts back while more requests are in flight
#	vmrun-lanes-1	the same, with one thread for all queues of a disk, or so many
#	qemu		QEMU q35 as its documentation recommends for fast disks: an
#			iothread per disk, io_uring, direct I/O; with several queues
#			iothread-vq-mapping with an iothread per queue
#	qemu-native	the same with aio=native, which does not do tmpfs well
#	qemu-threads	the same with aio=threads
#	qemu-main	no iothread
#	qemu-vdpa	QEMU with kvlane's disks, by vDPA; beside vmrun only if all read
#	vhost		QEMU with vhost-net, for networks
#	vhost-zcopy	the same, its module told not to copy what guests send
#	vdpa		QEMU with kvlane's network device, by vDPA; one queue pair
#	qemu-qboot	qemu booted as fast as it goes: the small qboot firmware instead of
#			SeaBIOS, and a guest told that there is one PCI bus to look at
#
# A guest has the disks in the array "backings", and a network device with as many
# queue pairs as processors if "tap" is set. If "readers" is set all only read. If "pages"
# is set its memory is in such, and it has a balloon.
# shellcheck disable=SC2154,SC2034	# measure's variables

vmm_command() { # PEER CPUS APPEND FOLDER
	case $1 in
	vmrun*) vmrun_command "$@" ;;
	qemu* | vhost* | vdpa) qemu_command "$@" ;;
	*)
		echo "bench: no VMM is called $1: see selftests/bench/vmms.sh" >&2
		exit 2
		;;
	esac
}

vmrun_command() {
	local backing options=",queues=$2,direct"
	[ "$1$readers" = vmrun ] || options+=,ro
	command=("$work/vmrun" run --kernel "$work/vmlinuz" --initrd "$work/initrd"
		--append "$3" --memory "${guest_mib}M${pages:+,hugepages=$pages}" --cpus "$2"
		--name "bench-${4##*/}" ${pages:+--balloon})
	case $1 in
	vmrun) ;;
	vmrun-eoi-exits) command+=(--pv-eoi off) ;;
	vmrun-split) options+=,packed=off ;;
	vmrun-coalesce) options+=,coalesce=2000:64 ;;
	vmrun-lanes-*) options+=,lanes=${1##*-} ;;
	*) command+=(--notify "${1#vmrun-}") ;;
	esac
	for backing in "${backings[@]}"; do
		command+=(--disk "$(backing_path "$backing")$options")
	done
	if [ -n "${tap:-}" ]; then
		command+=(--net "tap=$tap,queues=$2,mac=$mac")
	fi
}

declare -A vdpa_devices

# Adds a device, in the cgroup of the guest that is to have it, and sets node. Memory that
# is shared gets huge pages where QEMU asks for them, as QEMU's other guests do.
vdpa_add() { # PEER FOLDER ARGUMENT...
	local peer=$1 folder=${2##*/} name count
	read -r -a count <<<"${vdpa_devices[$peer]:-}"
	name=bench-$folder-${#count[@]}
	shift 2
	modprobe vhost_vdpa
	echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
	node=$(
		echo 0 >"$cgroups/$folder/cgroup.procs"
		"$work/vmrun" vdpa add --name "$name" "$@"
	)
	vdpa_devices[$peer]+=" $name"
}

# Removes what was added for a guest that has ended.
vmm_ended() { # PEER
	local name
	for name in ${vdpa_devices[$1]:-}; do
		"$work/vmrun" vdpa del "$name"
	done
	unset "vdpa_devices[$1]"
}

vdpa_net() { # PEER FOLDER
	vdpa_add "$@" --net "tap=$tap,mac=$mac"
	# shellcheck disable=SC2054	# the commas are QEMU's
	command+=(-netdev "vhost-vdpa,id=n0,vhostdev=$node"
		-device "virtio-net-pci,netdev=n0,romfile=")
}

vdpa_disk() { # PEER FOLDER QUEUES BACKING
	vdpa_add "$1" "$2" --disk "$4,queues=$3,direct${readers:+,ro}"
	command+=(-device "vhost-vdpa-device-pci,vhostdev=$node")
}

qemu_net() { # PEER PAIRS FOLDER
	local vhost=off multi=''
	if [ "$1" = vdpa ]; then
		vdpa_net "$1" "$3"
		return
	fi
	[[ $1 != vhost* ]] || vhost=on
	# Two vectors for each pair, one for control, one for changes of configuration.
	[ "$2" = 1 ] || multi=",mq=on,vectors=$((2 * $2 + 2))"
	# shellcheck disable=SC2054	# the commas are QEMU's
	command+=(-netdev "tap,id=n0,ifname=$tap,script=no,downscript=no,vhost=$vhost,queues=$2"
		-device "virtio-net-pci,netdev=n0,mac=$mac,romfile=$multi")
}

qemu_disk() { # PEER QUEUES NUMBER BACKING FOLDER
	local peer=$1 queues=$2 id=$3 aio=io_uring driver=file mapping='' q
	local device="virtio-blk-pci,drive=d$id,num-queues=$queues"
	case $peer in
	qemu-vdpa)
		vdpa_disk "$peer" "$5" "$queues" "$4"
		return
		;;
	qemu-native) aio=native ;;
	qemu-threads) aio=threads ;;
	esac
	[ ! -b "$4" ] || driver=host_device
	command+=(-blockdev "driver=$driver,node-name=d$id,filename=$4,aio=$aio,cache.direct=on,\
locking=off,discard=unmap")
	if [ "$peer" = qemu-main ]; then
		:
	elif [ "$queues" = 1 ]; then
		command+=(-object "iothread,id=t$id")
		device+=",iothread=t$id"
	else
		for ((q = 0; q < queues; q++)); do
			command+=(-object "iothread,id=t$id.$q")
			mapping+="${mapping:+,}{\"iothread\":\"t$id.$q\"}"
		done
		device="{\"driver\":\"virtio-blk-pci\",\"drive\":\"d$id\",\"num-queues\":$queues,\
\"iothread-vq-mapping\":[$mapping]}"
	fi
	command+=(-device "$device")
}

# Memory as vmrun has it, and a monitor to tell the balloon by. QEMU aligns a memfd to no huge
# page that is transparent.
qemu_balloon() { # FOLDER
	local memory="memory-backend-memfd,hugetlb=on,hugetlbsize=$pages"
	[ "$pages" != thp ] || memory="memory-backend-file,mem-path=$work/huge,align=2M"
	mkfifo "$1/qmp.in" "$1/qmp.out"
	# shellcheck disable=SC2054	# the commas are QEMU's
	command+=(-object "$memory,id=m,size=${guest_mib}M,share=on" -machine memory-backend=m -qmp "pipe:$1/qmp"
		-device virtio-balloon-pci,deflate-on-oom=on)
}

qemu_command() {
	local peer=$1 cpus=$2 append=$3 i
	[ "$peer" != qemu-qboot ] || append+=" pci=lastbus=0"
	# shellcheck disable=SC2054	# the commas are QEMU's
	command=(qemu-system-x86_64 -name "bench,debug-threads=on" -accel kvm -cpu host
		-machine q35,hpet=off,vmport=off,smm=off,i8042=off -smp "$cpus" -m "${guest_mib}M"
		-nodefaults -no-user-config -display none -no-reboot -boot menu=off
		-chardev stdio,id=con,signal=off -serial chardev:con
		-kernel "$work/vmlinuz" -initrd "$work/initrd" -append "$append")
	case $peer in
	qemu-qboot) command+=(-bios /usr/share/qemu/qboot.rom) ;;
	*vdpa)
		# shellcheck disable=SC2054	# the commas are QEMU's
		command+=(-object "memory-backend-memfd,id=m,size=${guest_mib}M,share=on"
			-machine memory-backend=m)
		;;
	esac
	for i in "${!backings[@]}"; do
		qemu_disk "$peer" "$cpus" "$i" "$(backing_path "${backings[i]}")" "$4"
	done
	if [ -n "${tap:-}" ]; then
		qemu_net "$peer" "$cpus" "$4"
	fi
	if [ -n "${pages:-}" ]; then
		qemu_balloon "$4"
	fi
}
