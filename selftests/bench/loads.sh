# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What is measured, by name. A part is what shares a test bed: "boot", disks with
# some number of queues ("1"), or networks over some path with some number of queue
# pairs ("net-veth-1"), or the ends of interrupts ("eoi"), or the data plane of disks with
# some number of queues ("plane-1"), or QEMU with kvlane's devices by vDPA, disks ("vdpa-1")
# and networks ("vdpa-net-veth-1"), or balloons with memory in some kind of pages
# ("balloon-thp"). The path "zcopy" is "wire" with a vhost-net told not to copy.
# Paths do not share guests, since whether copying pays is something that kvlane and
# vhost-net learn.
# shellcheck disable=SC2034,SC2154	# for the scripts that source this; theirs

backings=(null_blk tmpfs ext4)

# Operation, bytes, I/Os in flight.
disk_loads=("randread 4096 1" "randread 4096 32" "randwrite 4096 1" "randwrite 4096 32"
	"read 131072 8" "write 131072 8")

# The same, for guests with and without PV-EOI.
eoi_loads=("randread 4096 1" "randread 4096 32")

# The data plane of disks.
plane_backings=(null_blk tmpfs)
plane_loads=("randread 4096 1" "randread 4096 8" "randread 4096 32" "randread 4096 128")

# Who is compared with so many queues.
plane_guests() { # QUEUES
	case $1 in
	1) echo "qemu vmrun vmrun-split vmrun-coalesce" ;;
	2) echo "qemu vmrun vmrun-split vmrun-lanes-1" ;;
	*) echo "qemu vmrun vmrun-lanes-2" ;;
	esac
}

# Who is compared with devices by vDPA. The module lends a disk that is written to nobody
# else, so vmrun has none there.
vdpa_peers='qemu qemu-native qemu-vdpa'
vdpa_net_peers='vhost vmrun vdpa'

balloon_pages='thp 2M 1G'

net_paths='veth wire'

# Kind, bytes in a call, a datagram or a question.
stream_loads=("stream-out 65536" "stream-in 65536")
packet_loads=("packets-out 64" "packets-in 64" "rr 1")

# Prints the loads of a network part, one a line.
loads_of_net() { # PART
	case $1 in
	*net-veth-*) printf '%s\n' "${stream_loads[@]}" "${packet_loads[@]}" ;;
	*net-wire-*) printf '%s\n' "${stream_loads[@]}" ;;
	net-zcopy-*) printf '%s\n' "${stream_loads[0]}" ;;
	esac
}

net_name() { # PART KIND
	echo "${1//-//}/$2"
}

disk_name() { # QUEUES BACKING OPERATION BYTES DEPTH
	echo "$1/$2/$3-$4-$5"
}

eoi_name() { # OPERATION BYTES DEPTH
	echo "eoi/$1-$2-$3"
}

plane_name() { # QUEUES BACKING OPERATION BYTES DEPTH
	echo "plane/$1/$2/$3-$4-$5"
}

# Prints the names of all that a part measures.
names() { # PART
	local backing load kind size
	case $1 in
	boot) echo boot ;;
	balloon-*) echo "${1/-//}" ;;
	eoi)
		for load in "${eoi_loads[@]}"; do
			# shellcheck disable=SC2086	# three words
			eoi_name $load
		done
		;;
	plane-*)
		for backing in "${plane_backings[@]}"; do
			for load in "${plane_loads[@]}"; do
				# shellcheck disable=SC2086	# three words
				plane_name "${1#plane-}" "$backing" $load
			done
		done
		;;
	net-* | vdpa-net-*)
		while read -r kind size; do
			net_name "$1" "$kind"
		done < <(loads_of_net "$1")
		;;
	*)
		for backing in "${backings[@]}"; do
			for load in "${disk_loads[@]}"; do
				# shellcheck disable=SC2086	# three words
				disk_name "${1/-//}" "$backing" $load
			done
		done
		;;
	esac
}

wanted() { # NAME: does --only let it through?
	# shellcheck disable=SC2053	# a pattern
	[[ $1 == ${only:-*} ]]
}

part_wanted() { # PART
	local name
	for name in $(names "$1"); do
		if wanted "$name"; then
			return 0
		fi
	done
	return 1
}
