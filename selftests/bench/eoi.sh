# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What ends a guest's interrupts: exits, or its own memory (PV-EOI). KVM tells by two
# tracepoints, kvm_eoi for each that ends and kvm_pv_eoi for those of them that took no
# exit; histograms of the kernel's count them for each thread.
# shellcheck disable=SC2154	# measure's variables

eoi_peers=(vmrun vmrun-eoi-exits)
eoi_trace=/sys/kernel/tracing/instances/bench

count_eois() {
	local event
	mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
	mkdir -p "$eoi_trace"
	for event in kvm_eoi kvm_pv_eoi; do
		echo 'hist:keys=common_pid:size=4096' >"$eoi_trace/events/kvm/$event/trigger"
	done
}

# Prints how often an event came in the threads of a guest's VMM.
eois() { # PEER EVENT
	local vmm
	vmm=$(pgrep -P "${pids[$1]}")
	awk -v threads="$(ls "/proc/$vmm/task")" '
		BEGIN { n = split(threads, list); for (i = 1; i <= n; i++) ours[list[i]] = 1 }
		/common_pid:/ {
			gsub(/[{}:,]/, " ")
			if ($2 in ours)
				sum += $4
		}
		END { print sum + 0 }' "$eoi_trace/events/kvm/$2/hist"
}

measure_eoi() { # PEER ROUND OP BLOCK DEPTH
	local peer=$1 members ended free
	ended=$(eois "$peer" kvm_eoi) free=$(eois "$peer" kvm_pv_eoi)
	ask "$peer" "run ${device[0]} $3 $4 $5 1 $warm $time" || return 0
	ended=$(($(eois "$peer" kvm_eoi) - ended)) free=$(($(eois "$peer" kvm_pv_eoi) - free))
	members="\"kind\": \"eoi\", \"peer\": \"$peer\", \"round\": $2, \"op\": \"$3\""
	members+=", \"block\": $4, \"depth\": $5, \"ended\": $ended, \"free\": $free"
	record "$members"
}

# Both guests are up at once and take turns.
measure_eois() {
	local round peer load
	for peer in "${eoi_peers[@]}"; do
		start "$peer" 1
	done
	for peer in "${eoi_peers[@]}"; do
		ask "$peer" 'wait ready' || return 1
	done
	count_eois
	for ((round = 1; round <= rounds; round++)); do
		note "EOI, round $round of $rounds"
		for load in "${eoi_loads[@]}"; do
			# shellcheck disable=SC2086	# three words
			wanted "$(eoi_name $load)" || continue
			for peer in "${eoi_peers[@]}"; do
				# shellcheck disable=SC2086	# three words
				measure_eoi "$peer" "$round" $load
			done
		done
	done
	for peer in "${eoi_peers[@]}"; do
		ask "$peer" off || :
		stop "$peer"
	done
}
