# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What is measured, by name. A part is what shares a test bed: "boot", disks with
# some number of queues ("1"), or networks with some number of queue pairs ("net-1"),
# or with one, and vhost-net told not to copy ("net-zcopy").
# shellcheck disable=SC2034,SC2154	# for the scripts that source this; theirs

backings=(null_blk tmpfs ext4)

# Operation, bytes, I/Os in flight.
disk_loads=("randread 4096 1" "randread 4096 32" "randwrite 4096 1" "randwrite 4096 32"
	"read 131072 8" "write 131072 8")

# Path, kind, bytes in a call, a datagram or a question.
net_loads=("veth stream-out 65536" "veth stream-in 65536" "wire stream-out 65536"
	"wire stream-in 65536" "veth packets-out 64" "veth packets-in 64" "veth rr 1")

# Prints the loads of a network part, one a line.
loads_of_net() { # PART
	case $1 in
	net-zcopy) printf '%s\n' "${net_loads[@]}" | grep stream-out ;;
	*) printf '%s\n' "${net_loads[@]}" ;;
	esac
}

net_name() { # PART PATH KIND
	echo "net/${1#net-}/$2/$3"
}

disk_name() { # QUEUES BACKING OPERATION BYTES DEPTH
	echo "$1/$2/$3-$4-$5"
}

# Prints the names of all that a part measures.
names() { # PART
	local backing load path kind size
	case $1 in
	boot) echo boot ;;
	net-*)
		while read -r path kind size; do
			net_name "$1" "$path" "$kind"
		done < <(loads_of_net "$1")
		;;
	*)
		for backing in "${backings[@]}"; do
			for load in "${disk_loads[@]}"; do
				# shellcheck disable=SC2086	# three words
				disk_name "$1" "$backing" $load
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
