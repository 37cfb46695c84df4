#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What vmrun says when it cannot start: one line that names the thing, status 2,
# and nothing made.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	timeout 20 "$vmrun" "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q -i -E -e "$pattern" "$work/err" && [ ! -s "$work/out" ]; then
		return 0
	fi
	echo "# status $status of: $*"
	sed 's/^/# /' "$work/err"
	return 1
}

printed() { # PATTERN ARGUMENT...
	local pattern=$1
	shift
	"$vmrun" "$@" </dev/null >"$work/out" 2>&1 && grep -q -i -E -e "$pattern" "$work/out"
}

need_guests
make_work
find_kernel
echo nonsense >"$work/text"
head -c 1000 /dev/zero >"$work/odd"
truncate -s 1M "$work/disk"
mkdir "$work/folder"
mkfifo "$work/pipe"
run=(run --kernel "$kernel" --memory 64M --cpus 1)

cases=(
	"nosuch|nosuch"
	"--nosuch|run --nosuch"
	"kernel|run --memory 64M --cpus 1"
	"memory|run --kernel $kernel --cpus 1"
	"cpus|run --kernel $kernel --memory 64M"
	"$work/none|run --kernel $work/none --memory 64M --cpus 1"
	"$work/text|run --kernel $work/text --memory 64M --cpus 1"
	"$work/folder|run --kernel $work/folder --memory 64M --cpus 1"
	"memory|run --kernel $kernel --memory 64Q --cpus 1"
	"memory|run --kernel $kernel --memory 0 --cpus 1"
	"memory|run --kernel $kernel --memory 99999999T --cpus 1"
	"cpus|run --kernel $kernel --memory 64M --cpus 0"
	"cpus|run --kernel $kernel --memory 64M --cpus 256"
	"cpus|run --kernel $kernel --memory 64M --cpus two"
	"$work/none|${run[*]} --initrd $work/none"
	"$work/none|${run[*]} --disk $work/none"
	"$work/odd.*512|${run[*]} --disk $work/odd"
	"$work/folder|${run[*]} --disk $work/folder"
	"$work/pipe|${run[*]} --disk $work/pipe"
	"nosuch|${run[*]} --disk $work/disk,nosuch"
	"queues|${run[*]} --disk $work/disk,queues=0"
	"queues|${run[*]} --disk $work/disk,queues=65"
	"block-size|${run[*]} --disk $work/disk,block-size=1000"
	"lanes|${run[*]} --disk $work/disk,lanes=0"
	"packed|${run[*]} --disk $work/disk,packed=no"
	"poll=10001|${run[*]} --disk $work/disk,poll=10001"
	"coalesce=0|${run[*]} --disk $work/disk,coalesce=0"
	"coalesce=9:1|${run[*]} --disk $work/disk,coalesce=9:1"
	"iopoll|${run[*]} --disk $work/disk,iopoll"
	"serial|${run[*]} --disk $work/disk,serial=012345678901234567890"
	"$work/none|${run[*]} --rng=$work/none"
	"$work/folder|${run[*]} --rng=$work/folder"
	"rate|${run[*]} --rng=,rate=x"
	"name|${run[*]} --name a/b"
	"notify.*port|${run[*]} --notify pigeon"
	"surplus|${run[*]} surplus"
	"nosuch|stat nosuch"
	"nosuch|ctl nosuch quit"
)

plan $((${#cases[@]} + 6))
for case in "${cases[@]}"; do
	read -r -a words <<<"${case#*|}"
	check "vmrun ${case#*|}" refused "${case%%|*}" "${words[@]}"
done
check "nothing was made" [ "$(cat /sys/module/kvlane/refcnt)" = 0 ]
check "vmrun --help" printed usage --help
check "vmrun run --help" printed usage run --help
check "vmrun --version" printed '[0-9]+\.[0-9]+' --version
check "vmrun check" printed kvlane check
check "vmrun list" "$vmrun" list
finish
