#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Throttles of two guests, one of them shared.
#
#   guest "one"    disk0, disk1    share "gold", 100 requests a second
#                  disk2           60 requests a second of its own
#                  disk3           no limit
#                  net0            40 packets a second out
#   guest "two"    disk0           shares "gold" of the other
#                  disk1           shares disk3 of the other, whatever its limits are
#
# net0 has a setting of its lanes, too.
#
# A limit is taken for kept if the module has let through no more than that while a
# number of seconds went by here, and something at all.
set -euo pipefail
# shellcheck source=selftests/guest/talk.bash
. "$(dirname "$(readlink -f "$0")")/talk.bash"

tap=kvlthrottle
again_if_lost "$@"

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	timeout 60 "$vmrun" "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q -E -e "$pattern" "$work/err"; then
		return 0
	fi
	echo "# status $status of: $*"
	sed 's/^/# /' "$work/err"
	return 1
}

# Wrong options, and what the message names.
bad=(
	"disk iops=x: give|--disk DISK,iops=x"
	"disk iops=5:6|--disk DISK,iops=5:6"
	"disk iops=5:5:1: give a burst above|--disk DISK,iops=5:5:1"
	"disk iops=5:6:3601: .*seconds|--disk DISK,iops=5:6:3601"
	"disk bps=1T: .*931G|--disk DISK,bps=1T"
	"pps=5|--disk DISK,pps=5"
	"throttle=none: no such.*--throttle NAME|--disk DISK,throttle=none"
	"throttle=a: .*leave it away|--throttle a --disk DISK,throttle=a,iops=5"
	"throttle=a/b/c: .*give VM/NAME|--disk DISK,throttle=a/b/c"
	"nobody: no VM|--disk DISK,throttle=nobody/a"
	"pps-in=x|--net tap=x,pps-in=x"
	"iops=5|--net tap=x,iops=5"
	"throttle /: give a name|--throttle /"
	"throttle a: comes twice|--throttle a --throttle a"
	"nosuch=1|--throttle a,nosuch=1"
	"throttle disk0: a device|--throttle disk0 --disk DISK"
)

wrong_options() {
	local case words failed=0
	for case in "${bad[@]}"; do
		words=${case#*|}
		read -r -a words <<<"${words//DISK/$work/g}"
		refused "${case%%|*}" run --kernel "$kernel" --memory 64M --cpus 1 "${words[@]}" ||
			failed=1
	done
	return "$failed"
}

# Changes that are refused, and what the message names.
wrong_changes() {
	refused "throttle none: no device" ctl one throttle none iops=5 &&
		refused "throttle rng: cannot" ctl one throttle rng iops=5 &&
		refused "throttle disk2 iops=x: give" ctl one throttle disk2 iops=x &&
		refused "throttle disk2 pps=5: no such limit" ctl one throttle disk2 pps=5 &&
		refused "throttle disk2 iops=: give" ctl one throttle disk2 bps=5M iops= &&
		refused "throttle disk0: it shares gold" ctl one throttle disk0 iops=5 &&
		refused "throttle none: no device" run --kernel "$kernel" --memory 64M \
			--cpus 1 --disk "$work/g,throttle=one/none"
}

# A member of a throttle's report, or of a device's, with those of its queues added up.
look() { # VM throttles|devices NAME KEY
	"$vmrun" stat "$1" --json | perl -MJSON::PP -MList::Util=sum -0777 -e '
		my ($list, $name, $key) = @ARGV;
		my ($it) = grep { $_->{name} eq $name } @{decode_json(<STDIN>)->{$list}};
		print $it->{$key} // sum(map { $_->{$key} } @{$it->{queues}})' "${@:2}"
}

ms() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# Reads or writes a disk on and on, from several processes.
load() { # VM NAME read|write
	local how="if=/dev/$2 of=/dev/null iflag=direct" i
	if [ "$3" = write ]; then
		how="if=/dev/zero of=/dev/$2 oflag=direct"
	fi
	for i in 1 2 3; do
		quietly guest "$1" "(while dd $how bs=4k count=256 2>/dev/null; do :; done) & echo \$! >>/tmp/load" ||
			return
	done
}

unload() { # VM
	quietly guest "$1" "kill \$(cat /tmp/load); rm /tmp/load; killall -q dd ping; true"
}

# What a throttle lets through keeps a rate, apart from what it may catch up on.
keeps() { # VM THROTTLE RATE SECONDS
	local start before after allowed
	start=$(ms)
	before=$(look "$1" throttles "$2" ops)
	sleep "$4"
	after=$(look "$1" throttles "$2" ops)
	allowed=$(($3 * ($(ms) - start) / 1000 + $3 / 10 + 2))
	if ((after > before && after - before <= allowed)); then
		return 0
	fi
	echo "# $2: let through $((after - before)), allowed are 1 to $allowed"
	"$vmrun" stat "$1" | sed 's/^/# /'
	return 1
}

own_limit() {
	load one vdc read && keeps one disk2 60 3 &&
		[ "$(look one throttles disk2 delayed)" -gt 0 ] &&
		[ "$(look one devices disk2 throttled)" -gt 0 ]
}

changed() {
	"$vmrun" ctl one throttle disk2 iops=20 && keeps one disk2 20 3 &&
		"$vmrun" ctl one throttle disk2 iops=0 bps=80K && keeps one disk2 20 3
}

more_requests() { # VM DISK BEFORE NUMBER
	(($(look "$1" devices "$2" requests) > $3 + $4))
}

# Lifting the limits lets requests through that a second of the limit would not.
lifted() {
	local before
	before=$(look one devices disk2 requests)
	"$vmrun" ctl one throttle disk2 off && eventually 30 more_requests one disk2 "$before" 300 &&
		[ "$("$vmrun" ctl one throttle disk2 | awk '$1 == "disk2" { print $NF }')" = none ] &&
		unload one
}

# A device that had no limit gets one, and so does the other guest, which shares it.
given() {
	load one vdd write && load two vdb read && sleep 0.5 &&
		"$vmrun" ctl one throttle disk3 iops=50 iops-write=30 && keeps one disk3 50 3 &&
		keeps two one/disk3 50 2 && "$vmrun" ctl two throttle one/disk3 off &&
		[ "$(look two throttles one/disk3 setting)" = none ] && unload one && unload two
}

requests() { # three disks'
	look one devices disk0 requests
	echo
	look one devices disk1 requests
	echo
	look two devices disk0 requests
	echo
}

# Three disks of two guests keep one limit, and each gets a share.
shared() {
	local before after i
	if ! { load one vda read && load one vdb write && load two vda read && sleep 0.5; }; then
		echo "# a guest did not begin to read"
		return 1
	fi
	mapfile -t before < <(requests)
	keeps one gold 100 4 || return
	mapfile -t after < <(requests)
	for i in 0 1 2; do
		if ((after[i] - before[i] < 40)); then
			echo "# disk $i has got $((after[i] - before[i]))"
			return 1
		fi
	done
}

no_more_guests() {
	[ ! -e /run/kvlane/one.sock ]
}

# The other guest keeps the limit, and can change it, when the one that made it has
# been killed.
outlives() {
	kill -KILL "${pids[one]}"
	wait "${pids[one]}" 2>/dev/null || :
	eventually 10 no_more_guests && keeps two one/gold 100 2 &&
		"$vmrun" ctl two throttle one/gold ops=25 && keeps two one/gold 25 3
}

# The guest sends as fast as it can, to nobody, so that there is no answer.  ping ends
# when it finds no room.
packets() {
	quietly guest one "ip addr add 10.9.3.2/24 dev eth0; ip link set eth0 up
		arp -s 10.9.3.9 02:00:00:00:00:09
		(while :; do ping -q -i 0.001 10.9.3.9; done) >/dev/null 2>&1 & echo \$! >>/tmp/load" &&
		eventually 10 more_requests one net0 0 10 && keeps one net0 40 3 &&
		"$vmrun" ctl one throttle net0 pps-out=0 pps=20 && keeps one net0 20 3 && unload one
}

# What was given at the start is changed in the sandbox, and shown while it is set.
sets_lanes() {
	"$vmrun" ctl one lanes net0 >"$work/out" &&
		grep -q -x 'net0  *poll=30 coalesce=200:4 cpus=all' "$work/out" &&
		"$vmrun" ctl one lanes net0 poll=default coalesce=300 &&
		"$vmrun" stat one >"$work/out" &&
		grep -q -E -x 'net0 +[0-9]+  poll=default coalesce=300:16 cpus=all' "$work/out" &&
		"$vmrun" ctl one lanes net0 coalesce=off && "$vmrun" stat one >"$work/out" &&
		! grep -q '^LANES OF' "$work/out" && return
	sed 's/^/# /' "$work/out"
	return 1
}

shows() {
	"$vmrun" stat one >"$work/out" && "$vmrun" ctl one throttle >>"$work/out" || return
	if [ "$(grep -c -E '^gold .* disk0,disk1 +ops=100$' "$work/out")" = 2 ] &&
		[ "$(grep -c -E '^disk2 .* iops=60$' "$work/out")" = 2 ] &&
		[ "$(grep -c -E '^disk3 .* none$' "$work/out")" = 2 ] &&
		grep -q -E '^disk2 +[01] +[0-9]+ +<[0-9]+ .?s +<[0-9]+ .?s$' "$work/out"; then
		return 0
	fi
	sed 's/^/# /' "$work/out"
	return 1
}

# In the second that is shown, percentiles of it, too: at 60 a second three requests
# at a time, each waits for longer than 10 milliseconds.
watched() {
	timeout 4 "$vmrun" stat one --watch --json >"$work/out" || :
	if head -n 1 "$work/out" | perl -MJSON::PP -0777 -e '
		my $r = decode_json(<STDIN>);
		my ($t) = grep { $_->{name} eq "disk2" } @{$r->{throttles}};
		my ($d) = grep { $_->{name} eq "disk2" } @{$r->{devices}};
		my @wait = grep { defined } map { $_->{wait_p50_us} } @{$d->{queues}};
		exit !($t->{ops} > 0 && $t->{ops} < 75 && $wait[0] > 10000)'; then
		return 0
	fi
	sed 's/^/# /' "$work/out"
	return 1
}

bursts() {
	"$vmrun" ctl one throttle disk2 iops=60:600:1.5 bps=1M:2M:0.25 &&
		[ "$(look one throttles disk2 setting)" = "iops=60:600:1.5 bps=1M:2M:0.25" ] &&
		"$vmrun" ctl one throttle disk2 bps=0 iops=60 &&
		[ "$(look one throttles disk2 setting)" = "iops=60" ]
}

ended() {
	"$vmrun" ctl two quit
	wait "${pids[two]}"
}

clean_up() {
	local name
	for name in "${!pids[@]}"; do
		kill -KILL "${pids[$name]}" 2>/dev/null || :
	done
	ip link del "$tap" 2>/dev/null || :
	rm -rf "$work"
}

exec 3>&1
need_guests
make_work
drivers=(virtio_net)
make_initramfs "$@"
# shellcheck disable=SC2119
add_talk
trap clean_up EXIT
modprobe -q tun || :
ip tuntap add "$tap" mode tap
ip link set "$tap" addrgenmode none
ip addr add 10.9.3.1/24 dev "$tap"
ip link set "$tap" up
for disk in a b c d e f g; do
	truncate -s 1M "$work/$disk"
done
plan 17
check "wrong options are refused" wrong_options
boot_guest one --cpus 2 --rng --throttle gold,ops=100 --disk "$work/a,throttle=gold" \
	--disk "$work/b,throttle=gold" --disk "$work/c,iops=60" --disk "$work/d" \
	--net "tap=$tap,pps-out=40,poll=30,coalesce=200:4"
eventually 60 [ -e /run/kvlane/one.sock ] || :
boot_guest two --cpus 1 --disk "$work/e,throttle=one/gold" --disk "$work/f,throttle=one/disk3"
check "guest one comes up" came_up one
check "guest two comes up, with throttles of the other" came_up two
check "wrong changes are refused" wrong_changes
check "a limit is kept" own_limit
check "limits and counters are shown" shows
check "and watched" watched
check "a burst can be set, and taken back" bursts
check "a limit is changed while requests wait" changed
check "limits are lifted" lifted
check "a disk that had none gets limits, for the other guest, too" given
check "packets" packets
check "lanes of a network device are set, and changed" sets_lanes
check "two guests keep a limit together, and share it" shared
check "a throttle outlives the guest it comes from" outlives
check "the other guest ends with 0" ended
check "nothing holds the module" unused
finish
