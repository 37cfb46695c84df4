# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What both parts of the benchmark in L1 have in common: starting guests, talking to
# their meters, printing records.
# shellcheck disable=SC2154	# variables of measure and measure-net

work=/run/bench
cgroups=/sys/fs/cgroup/bench
guest_mib=384

note() { # MESSAGE...
	printf 'bench: %s s  %s\n' "$(cut -d ' ' -f 1 /proc/uptime)" "$*" >&2
}

# Everything a guest needs is in memory, so that no start waits for 9p.
stage() {
	mkdir -p "$work"
	cp -r "$stuff/." "$work/"
	cp "$vmrun" "$work/vmrun"
	mkdir -p "$cgroups"
	echo '+cpu +memory' >/sys/fs/cgroup/cgroup.subtree_control
	echo '+cpu +memory' >"$cgroups/cgroup.subtree_control"
}

declare -A pids to from dirs
next=0
meter_options=()

# What vmrun calls a guest.
guest_name() { # PEER
	echo "bench-${dirs[$1]##*/}"
}

# Starts a guest under a VMM; its meter is talked to with ask.
start() { # PEER CPUS [KERNEL-ARGUMENTS]
	local peer=$1 cpus=$2 dir=$work/vm.$((next++)) command fd_to fd_from
	mkdir -p "$dir" "$cgroups/${dir##*/}"
	mkfifo "$dir/in" "$dir/out"
	vmm_command "$peer" "$cpus" "console=ttyS0 quiet panic=-1 nokaslr \
bench.disks=${#backings[@]} ${3:-}" "$dir"
	"$work/meter" "${meter_options[@]}" "$cgroups/${dir##*/}" $((guest_mib << 20)) \
		"${command[@]}" <"$dir/in" >"$dir/out" 2>"$dir/stderr" &
	pids[$peer]=$!
	exec {fd_to}>"$dir/in" {fd_from}<"$dir/out"
	to[$peer]=$fd_to from[$peer]=$fd_from dirs[$peer]=$dir
}

# Sends a line to a guest's meter and sets reply.
ask() { # PEER LINE
	local fd_to=${to[$1]} fd_from=${from[$1]}
	echo "$2" >&"$fd_to"
	if ! read -r reply <&"$fd_from"; then
		reply='{"error": "the meter ended"}'
	fi
	if [[ $reply == '{"error"'* ]]; then
		note "$1: $2: $reply $(tail -n 3 "${dirs[$1]}/stderr" | tr '\n' ' ')"
		return 1
	fi
}

stop() { # PEER
	local fd_to=${to[$1]} fd_from=${from[$1]}
	exec {fd_to}>&- {fd_from}<&-
	wait "${pids[$1]}" || :
	vmm_ended "$1"
}

# Prints a record: what was measured, and the meter's reply.
record() { # MEMBERS
	printf '{%s, "reply": %s}\n' "$1" "$reply"
}
