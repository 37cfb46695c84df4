#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that runs, seen and steered from outside; and vmrun on a terminal.
set -euo pipefail
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

listed() {
	"$vmrun" list | grep -q -w box
}

shows_disk() {
	"$vmrun" stat box | grep -q -w disk0
}

prints_json() {
	"$vmrun" stat box --json | perl -MJSON::PP -0777 -ne 'decode_json($_)'
}

# Linux has enabled PV-EOI, and what is said of the way of interrupts goes with it.
ends_interrupts() {
	"$vmrun" stat box >"$work/stat" && "$vmrun" stat box --json >"$work/json"
	grep -E -A 2 '^interrupts:' "$work/stat" | sed 's/^/# /'
	grep -q -E '^interrupts: (PV-EOI|posted)' "$work/stat"
	perl -MJSON::PP -0777 -ne '
		my $irq = decode_json($_)->{interrupts};
		my ($cpu) = @{$irq->{vcpus}};
		exit !($irq->{irqchip} eq "kernel" && $irq->{sent} > 0 && $cpu->{pv_eoi} &&
			$cpu->{path} eq $irq->{path} &&
			$irq->{apicv_active} == !@{$irq->{inhibits}});' "$work/json"
}

# A socket nobody serves yet, in a folder that is held: whoever lists waits, and then
# somebody does.
seen_while_starting() {
	perl -MSocket -MFcntl=:flock -e '
		alarm 30;
		my ($vmrun, $folder) = @ARGV;
		open(my $lock, "<", $folder) or die "$folder: $!";
		flock($lock, LOCK_EX);
		socket(my $s, PF_UNIX, SOCK_STREAM, 0);
		bind($s, pack_sockaddr_un("$folder/late.sock")) or die "late.sock: $!";
		my $child = fork() // die;
		exec($vmrun, "list") unless $child;
		select(undef, undef, undef, 0.5);
		listen($s, 1);
		flock($lock, LOCK_UN);
		accept(my $client, $s);
		close($client);
		waitpid($child, 0);
		my $there = -S "$folder/late.sock";
		unlink("$folder/late.sock");
		exit !$there;' "$vmrun" /run/kvlane >"$work/listed"
}

hears_others() {
	perl -MIO::Socket::UNIX -e '
		alarm 60;
		my @idle = map { IO::Socket::UNIX->new(Peer => $ARGV[1]) or die $! } 1 .. 100;
		exit(system($ARGV[0], "stat", "box", "--json") != 0);' \
		"$vmrun" /run/kvlane/box.sock >"$work/json"
}

# The processors that the threads of the disk may run on.
lanes_on() { # LIST
	local task found=''
	# Before Linux 6.4 they are the kernel's.
	for task in "/proc/$pid/task"/* /proc/[0-9]*; do
		if [[ $(cat "$task/comm" 2>/dev/null) == kvlane-blk.* ]]; then
			found=yes
			grep -q -x -P "Cpus_allowed_list:\t$1" "$task/status" || return
		fi
	done
	[ "$found" ]
}

# The rings are split ones, and the lanes work as was asked for; that can be changed in
# the sandbox.
sets_lanes() {
	"$vmrun" ctl box lanes >"$work/lanes" && "$vmrun" stat box --json >"$work/json"
	grep -q -x 'disk0  *poll=default coalesce=500:8 cpus=0' "$work/lanes" || return
	perl -MJSON::PP -0777 -ne '
		my ($disk) = @{decode_json($_)->{devices}};
		my $lanes = $disk->{lanes};
		my $features = $disk->{features};
		# Some kernels reset their devices when they halt.
		exit !((!$disk->{status} || $features >> 32 & 1 && !($features >> 34 & 1)) &&
			!defined $lanes->{poll_us} && $lanes->{coalesce_us} == 500 &&
			$lanes->{coalesce_requests} == 8 &&
			exists $disk->{queues}[0]{coalesced} &&
			$disk->{queues}[0]{tid} && $disk->{queues}[0]{pickup_p50_us} &&
			$disk->{queues}[0]{signal_p99_us});' "$work/json" || return
	lanes_on 0 && "$vmrun" ctl box lanes disk0 poll=20 coalesce=off cpus=1 && lanes_on 1 &&
		"$vmrun" ctl box lanes disk0 | grep -q -x 'disk0  *poll=20 coalesce=off cpus=1' &&
		"$vmrun" ctl box lanes disk0 cpus=0:1 && lanes_on 0-1 &&
		"$vmrun" ctl box lanes disk0 cpus=all && lanes_on 0-1
}

# Nothing of a change that is wrong is made.
wrong_lanes() {
	! "$vmrun" ctl box lanes disk0 coalesce=7 poll=x 2>"$work/out" &&
		grep -q 'lanes disk0 poll=x: give microseconds' "$work/out" &&
		! "$vmrun" ctl box lanes disk0 color=red 2>"$work/out" &&
		grep -q 'no such setting' "$work/out" &&
		! "$vmrun" ctl box lanes disk0 cpus=1-0 2>"$work/out" &&
		grep -q 'cpus=1-0: give processors' "$work/out" &&
		! "$vmrun" ctl box lanes disk0 poll=7 cpus=900 2>"$work/out" &&
		grep -q 'disk0: none of these processors is there' "$work/out" &&
		! "$vmrun" ctl box lanes disk9 2>"$work/out" && grep -q 'disk9' "$work/out" &&
		"$vmrun" ctl box lanes disk0 | grep -q -x 'disk0  *poll=20 coalesce=off cpus=all'
}

name_taken() {
	local status=0
	"$vmrun" run --kernel "$kernel" --memory 256M --cpus 1 --name box \
		</dev/null >"$work/out" 2>&1 || status=$?
	[ "$status" = 2 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -q -w box "$work/out"
}

reset_guest() {
	"$vmrun" ctl box reset && wait_up 2
}

quit_guest() {
	"$vmrun" ctl box quit && wait "$pid"
}

# Runs vmrun on a terminal of its own, between two looks at the terminal's state;
# what arrives on stdin is typed.
on_terminal() { # COMMAND...
	local before
	script -q -e -c "stty -g; $*; echo status \$?; stty -g" /dev/null >"$work/terminal"
	tr -d '\r' <"$work/terminal" >"$work/lines"
	before=$(head -n 1 "$work/lines")
	# The echo of what was typed too late may stand beside it.
	[[ $(tail -n 1 "$work/lines") == *"$before"* ]]
}

guest="$vmrun run --memory 256M,hugepages=off --cpus 1"

# What is typed before vmrun has the terminal is lost, so more than once.
type_escape() {
	local i
	trap '' PIPE
	for ((i = 0; i < 20; i++)); do
		sleep 1
		printf '\035x' 2>/dev/null || return 0
	done
}

escape_key() {
	type_escape | on_terminal "$guest --kernel $kernel" && grep -q 'status 0$' "$work/lines"
}

terminated() {
	sleep 10 | on_terminal timeout --foreground -s TERM 3 "$guest --kernel $kernel"
}

not_started() {
	: | on_terminal "$guest --kernel $work/none" && grep -q 'status 2$' "$work/lines"
}

need_guests
make_work
make_initramfs "$@"
plan 18
truncate -s 1M "$work/disk"
start --disk "$work/disk,packed=off,coalesce=500:8,cpus=0" --name box
check "a guest comes up" wait_up 1
check "it is in the list" listed
check "its counters are shown" shows_disk
check "and as JSON" prints_json
check "it ends interrupts by PV-EOI, or the processor does" ends_interrupts
check "its lanes are set, and changed" sets_lanes
check "wrong settings of lanes are refused" wrong_lanes
check "its name is taken" name_taken
check "its name is nobody's to remove who lists it while it starts" seen_while_starting
check "clients that say nothing keep nobody out" hears_others
check "it can be paused" "$vmrun" ctl box pause
check "it can be resumed" "$vmrun" ctl box resume
check "it can be reset" reset_guest
check "it can be ended, with 0" quit_guest
check "nothing is left of it" unused
check "the escape key ends a guest and gives the terminal back" escape_key
check "so does a signal" terminated
check "so does a failure" not_started
finish
