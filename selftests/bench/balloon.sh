# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Memory that guests lend to the host: vmrun's balloon beside QEMU's, with the guest's memory
# in transparent huge pages ("thp") or hugetlb pages ("2M", "1G").
#
# Each measurement has a guest of its own, for a balloon leaves the host's memory otherwise
# than it found it. What the host has of it is what its own counters say: memory that files
# in memory take, or hugetlb pages that are free and promised to nobody. Nothing else uses
# either meanwhile.
# shellcheck disable=SC2034,SC2154	# vmms.sh's; measure's variables

# How often memory is read at random.
balloon_reads=400000
# How long the host is given to have what the guest lends, and a guest to be in huge pages
# again, in seconds.
balloon_patience=12

hugetlb=/sys/kernel/mm/hugepages

# What is lent is three quarters of a guest. In pages of 1 GiB a guest has to have some that
# neither its kernel is in, nor what that needs at the end of memory; L1 was booted with them.
make_hugepages() { # PAGES
	guest_mib=$(((balloon_mib * 4 / 3 + 1) / 2 * 2))
	case $1 in
	thp)
		# For QEMU: vmrun makes one of its own.
		mkdir -p "$work/huge"
		mount -t tmpfs -o huge=always,size=4G tmpfs "$work/huge"
		pool=''
		;;
	2M)
		pool=$hugetlb/hugepages-2048kB
		echo $((guest_mib / 2)) >"$pool/nr_hugepages"
		;;
	1G)
		pool=$hugetlb/hugepages-1048576kB
		guest_mib=4096 balloon_mib=3072
		;;
	esac
}

# Sets taken: KiB that the host has given away.
host_taken() {
	local name value total unused promised
	if [ -z "$pool" ]; then
		while read -r name value _; do
			if [ "$name" = Shmem: ]; then
				taken=$value
				return
			fi
		done </proc/meminfo
	fi
	read -r total <"$pool/nr_hugepages"
	read -r unused <"$pool/free_hugepages"
	read -r promised <"$pool/resv_hugepages"
	value=${pool##*hugepages-}
	taken=$(((total - unused + promised) * ${value%kB}))
}

# Sets vmm and inode: the process that has the guest's memory, and which file that is.
find_memory() { # PEER
	for vmm in $(<"$cgroups/${dirs[$1]##*/}/cgroup.procs"); do
		inode=$(stat -L -c '%s %i' "/proc/$vmm/fd/"* 2>/dev/null |
			sed -n "s/^$((guest_mib << 20)) //p" | head -n 1)
		if [ -n "$inode" ]; then
			return
		fi
	done
	note "$1: no file with the guest's memory"
	return 1
}

# Sets resident and huge: KiB of the guest's memory that is there, and of it in huge pages.
look_at_memory() {
	read -r resident huge < <(awk -v inode="$inode" '
		$1 ~ /^[0-9a-f]+-[0-9a-f]+$/ { ours = $5 == inode }
		ours && /^Rss:/ { all += $2 }
		ours && /^(ShmemPmdMapped|FilePmdMapped):/ { huge += $2 }
		ours && /^(Shared|Private)_Hugetlb:/ { all += $2; huge += $2 }
		END { print all + 0, huge + 0 }' "/proc/$vmm/smaps")
}

# Sets split_pages, split_pmds and collapses: what became of huge pages so far.
look_at_pages() {
	read -r split_pages split_pmds collapses < <(awk '
		/^thp_split_page / { page = $2 } /^thp_split_pmd / { pmd = $2 }
		/^thp_collapse_alloc / { collapse = $2 }
		END { print page + 0, pmd + 0, collapse + 0 }' /proc/vmstat)
}

# Has QEMU do something, and waits for its answer; events come in between.
qmp() { # PEER COMMAND
	local pipe=${dirs[$1]}/qmp to from line=''
	exec {to}<>"$pipe.in" {from}<>"$pipe.out"
	echo "$2" >&"$to"
	until [[ $line == '{"return"'* || $line == '{"error"'* ]]; do
		if ! read -r -t 60 line <&"$from"; then
			line='{"error": "no answer"}'
		fi
	done
	exec {to}>&- {from}>&-
	if [[ $line == '{"error"'* ]]; then
		note "$1: $2: $line"
		return 1
	fi
}

# Tells a VMM how much its guest is to lend.
set_balloon() { # PEER MIB
	if [ "$1" = vmrun ]; then
		"$work/vmrun" ctl "$(guest_name "$1")" balloon "${2}M" >&2
	else
		qmp "$1" '{"execute": "balloon", "arguments": {"value": '$(((guest_mib - $2) << 20))'}}'
	fi
}

# Prints milliseconds.
clock() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# Waits until the guest says that it has put that much in, or taken it out; sets took. It
# is asked again and again, so that the meter need not wait for long.
lend() { # PEER inflate|deflate MIB
	local began left
	began=$(clock)
	set_balloon "$1" "$3" || return
	for left in 1 2 3 4 5; do
		ask "$1" "run memory $2 $3 60" || return
		if [[ $reply == *reached=1* ]]; then
			took=$(($(clock) - began))
			note "$1: $2 to $3 MiB took $took ms"
			return
		fi
	done
	note "$1: $2 to $3 MiB takes too long: $reply"
	return 1
}

# Waits for the host to have what the guest has lent; sets given, KiB, and after,
# milliseconds from when it was asked for.
wait_for_host() { # MILLISECONDS-SO-FAR
	local began wanted=$((balloon_mib * 1024 * 95 / 100))
	began=$(clock)
	while :; do
		host_taken
		given=$((before - taken)) after=$(($(clock) - began + $1))
		if ((given >= wanted)); then
			return
		elif ((after - $1 > balloon_patience * 1000)); then
			after=-1
			return
		fi
		sleep 0.1
	done
}

# Waits for the guest to be in huge pages again; sets back, the milliseconds it took.
wait_for_huge() {
	local began
	began=$(clock)
	while :; do
		look_at_memory
		back=$(($(clock) - began))
		if ((huge * 100 >= resident * 95)); then
			return
		elif ((back > balloon_patience * 1000)); then
			back=-1
			return
		fi
		sleep 0.2
	done
}

# Sets read_ns: how long a read takes, in thousandths of a nanosecond.
read_memory() { # PEER
	ask "$1" "run memory read $((balloon_mib / 4)) $balloon_reads" || return
	[[ $reply =~ count=([0-9]+)\ took=([0-9]+) ]] &&
		read_ns=$((BASH_REMATCH[2] * 1000 / BASH_REMATCH[1]))
}

# One figure more for the record.
add() { # NAME VALUE
	members+=", \"$1\": $2"
}

# There and back, once.
cycle() { # PEER
	local peer=$1 taken before given after took back resident huge read_ns
	local split_pages split_pmds collapses start_pages start_pmds start_collapses
	ask "$peer" 'wait ready' && find_memory "$peer" || return
	if [ "$peer" = qemu ]; then
		qmp "$peer" '{"execute": "qmp_capabilities"}' || return
	fi
	ask "$peer" 'run memory use' && read_memory "$peer" || return
	host_taken
	before=$taken
	look_at_memory
	look_at_pages
	start_pages=$split_pages start_pmds=$split_pmds start_collapses=$collapses
	add resident "$resident" && add huge "$huge" && add read "$read_ns"
	lend "$peer" inflate "$balloon_mib" || return
	add inflate "$took"
	wait_for_host "$took"
	note "$peer: the host has $((given / 1024)) MiB"
	look_at_memory
	add given "$given" && add given_after "$after"
	add lent_resident "$resident" && add lent_huge "$huge"
	if [ "$peer" = vmrun ]; then
		"$work/vmrun" ctl "$(guest_name "$peer")" balloon >&2
	fi
	lend "$peer" deflate 0 || return
	add deflate "$took"
	ask "$peer" 'run memory use' || return
	wait_for_huge
	look_at_pages
	add back "$back" && add back_resident "$resident" && add back_huge "$huge"
	add split_pages $((split_pages - start_pages)) && add split_pmds $((split_pmds - start_pmds))
	add collapses $((collapses - start_collapses))
	read_memory "$peer" && add read_again "$read_ns"
}

# The emulator loses a guest now and then.
measure_cycle() { # PEER ROUND PAGES
	local try members vmm inode
	for try in 1 2 3; do
		note "$3, round $2 of $balloon_rounds, $1"
		members="\"kind\": \"balloon\", \"peer\": \"$1\", \"round\": $2, \"pages\": \"$3\""
		members+=", \"guest_mib\": $guest_mib, \"mib\": $balloon_mib"
		start "$1" 1 bench.balloon=1
		if cycle "$1"; then
			ask "$1" off || :
			stop "$1"
			reply='{}'
			record "$members"
			return
		fi
		stop "$1"
	done
	return 1
}

measure_balloons() { # PAGES
	local round peer pool peers
	pages=$1
	make_hugepages "$1"
	for ((round = 1; round <= balloon_rounds; round++)); do
		# Every other round the other way round.
		((round % 2)) && peers='qemu vmrun' || peers='vmrun qemu'
		for peer in $peers; do
			measure_cycle "$peer" "$round" "$1"
		done
	done
}
