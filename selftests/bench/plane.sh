# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The data plane of disks: rings, numbers of queues, of requests in flight and of lanes.
# All read the same disks, and so can be up at once; "native" has no guest. With one that
# the emulator has lost the part is over, and "run" begins it again.
# shellcheck disable=SC2154,SC2034	# measure's variables; vmms.sh's

# The loads with so many queues, in turns.
measure_plane_round() { # QUEUES ROUND PEERS
	local backing load
	for backing in "${plane_backings[@]}"; do
		note "data plane, $1 queue(s), round $2 of $rounds, $backing"
		for load in "${plane_loads[@]}"; do
			# shellcheck disable=SC2086	# three words
			wanted "$(plane_name "$1" "$backing" $load)" || continue
			for peer in $3; do
				# shellcheck disable=SC2086	# three words
				measure_plane_load "$peer" "$1" "$2" "$backing" $load || return
			done
		done
	done
}

measure_plane_load() { # PEER QUEUES ROUND BACKING OP BLOCK DEPTH
	local peer=$1 queues=$2 members i
	if [ "$peer" = native ]; then
		reply=$("$work/native" "$(backing_path "$4")" "$5" "$6" "$7" "$queues" "$warm" \
			"$time") || return
	else
		for i in "${!backings[@]}"; do
			[ "${backings[i]}" != "$4" ] || break
		done
		ask "$peer" "run ${device[i]} $5 $6 $7 $queues $warm $time" || return
	fi
	members="\"kind\": \"plane\", \"peer\": \"$peer\", \"queues\": $queues, \"round\": $3"
	members+=", \"backing\": \"$4\", \"op\": \"$5\", \"block\": $6, \"depth\": $7"
	record "$members"
}

measure_plane() { # QUEUES
	local queues=$1 round peer guests reverse=''
	guests=$(plane_guests "$queues")
	for peer in $guests; do
		reverse="$peer $reverse"
		start "$peer" "$queues"
	done
	for peer in $guests; do
		ask "$peer" 'wait ready' || return 1
	done
	sleep 2
	for ((round = 1; round <= rounds; round++)); do
		# Every other round the other way round.
		measure_plane_round "$queues" "$round" \
			"$( ((round % 2)) && echo "native $guests" || echo "$reverse native")" || return
	done
	for peer in $guests; do
		ask "$peer" off || :
		stop "$peer"
	done
}
