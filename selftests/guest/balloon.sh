#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests that lend memory to the host: vmrun run --balloon. What the host really has of it
# is what is missing of the memory that files in memory take, or of the huge pages in use.
set -euo pipefail
# shellcheck source=selftests/guest/lend.bash
. "$(dirname "$(readlink -f "$0")")/lend.bash"

# How often memory is lent at random.
rounds=${BALLOON_ROUNDS:-2}

again_if_lost "$@"

# Memory that the host has given away, in KiB.
taken() { # KIND
	case $1 in
	thp) awk '/^Shmem:/ { print $2 }' /proc/meminfo ;;
	2M) awk '/^HugePages_Total:/ { t = $2 } /^HugePages_Free:/ { print (t - $2) * 2048 }' /proc/meminfo ;;
	esac
}

splits() {
	awk '/^thp_split_p/ { n += $2 } END { print n }' /proc/vmstat
}

# At least 95 parts in a hundred of what was asked for: the guest has no more than the
# rest of its 512 MiB.
host_has() { # NAME KIND MIB
	local most=$((512 * 100 - $3 * 95)) have
	[ "$2" = 2M ] && have=$(taken 2M) || have=$(($(taken thp) - other))
	(($(figure "$1" freed) * 100 >= $3 * mib * 95)) && ((have * 100 <= most * 1024))
}

# The guest has memory, and needs no more of it for the rest.
make_data() { # NAME
	quietly guest "$1" 'dd if=/dev/urandom of=/tmp/data bs=1M count=32 && md5sum </tmp/data >/tmp/sum'
}

same_data() { # NAME
	quietly guest "$1" 'md5sum </tmp/data | cmp - /tmp/sum'
}

# All of the memory has been used once.
use_memory() { # NAME
	quietly guest "$1" 'dd if=/dev/zero of=/tmp/all bs=1M count=380; rm /tmp/all'
}

inflates() { # NAME KIND
	local split
	split=$(splits)
	"$vmrun" ctl "$1" balloon 128M && eventually 60 put_in "$1" 128 || return
	if ! eventually 30 host_has "$1" "$2" 128; then
		"$vmrun" ctl "$1" balloon | sed 's/^/# /'
		echo "# $(taken "$2") KiB are taken"
		return 1
	fi
	[ "$split" = "$(splits)" ] && same_data "$1"
}

# What the host has when it is short of memory: all that is in the balloon.
all_freed() { # NAME
	[ "$(figure "$1" freed)" = "$(figure "$1" ballooned)" ]
}

is_pressed() {
	echo 2 >/proc/sys/vm/drop_caches
	if ! eventually 20 all_freed one; then
		"$vmrun" ctl one balloon | sed 's/^/# /'
		return 1
	fi
	same_data one
}

all_collapsed() {
	(($(figure one collapsed) >= $(figure one splits)))
}

# Blocks are looked at a second after they came back, in huge pages or in pieces.
put_together() {
	eventually 30 all_collapsed
}

deflates() { # NAME KIND
	"$vmrun" ctl "$1" balloon 0 && eventually 60 put_in "$1" 0 && use_memory "$1" &&
		same_data "$1" && [ "$(figure "$1" freed)" = 0 ]
}

# Of what the guest has most is in huge pages again.
in_huge_pages() {
	awk -v other="$other" '/^Shmem:/ { all = $2 - other } /^ShmemHugePages:/ { huge = $2 }
		END { print "# in huge pages: " huge " of " all " KiB"; exit huge < 0.95 * all }' \
		/proc/meminfo >&3
}

group=/sys/fs/cgroup/press

# Something waits for memory, in a cgroup that has little of it.
press_host() {
	mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p "$group" && echo 8M >"$group/memory.high" || return
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		while :; do
			dd if=/dev/zero of="$work/hog" bs=1M count=64 status=none
		done
	) &
	hog=$!
}

relieve_host() {
	echo 1 >"$group/cgroup.kill"
	wait "$hog" 2>"$work/out" || :
	rm -f "$work/hog"
	eventually 10 rmdir "$group"
}

lends() { # NAME MIB
	(($(figure "$1" actual) >= $2 * mib))
}

# Less than the most it has lent so far, or than what is in top.
lends_less() { # NAME
	local lent
	lent=$(figure "$1" actual)
	((lent < top)) && return
	top=$lent
	return 1
}

# As long as programs wait for memory the guest lends more and more, until it is short of
# memory itself.
follows_needs() {
	local status=0 top=$((32 * mib))
	[ "$(figure one actual)" = 0 ] && press_host || return
	eventually 60 lends one 32 &&
		quietly guest one 'mkdir /full; mount -t tmpfs -o size=450m full /full && dd if=/dev/zero of=/full/all bs=1M count=340' &&
		eventually 60 lends_less one || status=$?
	"$vmrun" ctl one balloon | sed 's/^/# /'
	relieve_host
	[ "$status" = 0 ] && quietly guest one umount /full && "$vmrun" ctl one balloon 0 &&
		eventually 60 put_in one 0 && [ "$(figure one auto)" = none ] &&
		"$vmrun" ctl one balloon auto && [ "$(figure one 'auto->most')" = $((256 * mib)) ]
}

up_and_down() { # NAME
	keep_pattern "$1" 64 && lend_at_random "$1" 200 "$rounds" && has_pattern "$1" 200 &&
		same_data "$1"
}

tells() { # NAME
	local total
	total=$(figure "$1" 'guest->total-memory')
	"$vmrun" ctl "$1" balloon >"$work/out"
	grep -q 'the guest says: total' "$work/out" && ((total > 400 * mib && total < 512 * mib))
}

# What it was told to lend it lends again after a restart, and the rest is whole.
restarts() { # NAME
	: >"$work/$1.console"
	"$vmrun" ctl "$1" balloon 64M && eventually 60 put_in "$1" 64 &&
		"$vmrun" ctl "$1" reset && listens "$1" && eventually 60 put_in "$1" 64 &&
		make_data "$1" && same_data "$1"
}

reported() {
	(($(figure one reported) >= 250 * mib))
}

# A guest that has freed memory says so after a while.
reports() {
	use_memory one && eventually 30 reported && same_data one
}

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	"$vmrun" "$@" >"$work/out" 2>"$work/refused" </dev/null || status=$?
	if [ "$status" != 2 ] || ! grep -q -e "$pattern" "$work/refused"; then
		echo "# status $status"
		sed 's/^/# /' "$work/refused"
		return 1
	fi
}

refuses() {
	local run=(run --kernel "$kernel" --cpus 1 --memory 512M)
	refused 'more than the guest has' "${run[@]}" --balloon=target=513M &&
		refused 'give a size' "${run[@]}" --balloon=target=x &&
		refused 'more than the guest has' "${run[@]}" --balloon=auto=513M &&
		refused 'give the most' "${run[@]}" --balloon=auto=0 &&
		refused "unknown option 'now'" "${run[@]}" --balloon=now &&
		refused 'give on or off' "${run[@]}" --balloon=reporting=1 &&
		refused 'give a size' ctl one balloon 17 &&
		refused 'the guest has less' ctl one balloon 2G &&
		refused 'start it with --balloon' ctl other balloon 1M
}

quits() { # NAME
	"$vmrun" ctl "$1" quit && wait "${pids[$1]}"
}

killed() { # NAME
	"$vmrun" ctl "$1" balloon 256M && kill -KILL "${pids[$1]}"
	wait "${pids[$1]}" 2>/dev/null || :
	eventually 20 unused
}

need_guests
make_work
exec 3>&1
drivers=(virtio_balloon)
make_initramfs pattern "$@"
add_talk cmp
# Files in memory that are not the guest's.
other=$(taken thp)
plan 21
boot_guest one --memory 512M,hugepages=thp --cpus 2 --balloon=reporting=on,auto=256M
check "a guest comes up with a balloon" came_up one
boot_guest other --memory 256M --cpus 1
check "another one without" came_up other
check "what cannot be is refused" refuses
quits other
check "it tells how it is" tells one
check "by itself it lends what the host needs, and no more than it can" follows_needs
make_data one && use_memory one
check "it lends memory, and the host has it" inflates one thp
check "a host that is short of memory has the rest" is_pressed
check "it gets it back" deflates one thp
check "blocks are put together" put_together
check "and all is in huge pages" in_huge_pages
check "up and down" up_and_down one
check "it lends again after a restart" restarts one
check "it reports what is free" reports
check "it ends" quits one
echo 256 >/proc/sys/vm/nr_hugepages
boot_guest two --memory 512M,hugepages=2M --cpus 2 --balloon
check "a guest comes up in huge pages" came_up two
check "without being told so it is not automatic" refused 'auto=SIZE' ctl two balloon auto
make_data two && use_memory two
check "it lends them, and the host has them" inflates two 2M
check "it gets them back" deflates two 2M
check "up and down" up_and_down two
check "it can be killed meanwhile" killed two
check "no page was lost" eventually 10 test "$(taken 2M)" = 0
finish
