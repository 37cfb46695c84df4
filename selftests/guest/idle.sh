#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest with nothing to do costs nothing: no lane wakes up for a minute. It has no
# entropy source, since Linux asks that for more once a minute.
set -euo pipefail
drivers=(virtio_net)
# shellcheck source=selftests/guest/guest.bash
. "$(dirname "$(readlink -f "$0")")/guest.bash"

# A tap on which the host has nothing to say.
make_tap() {
	modprobe tun && ip tuntap add dev idler mode tap vnet_hdr multi_queue &&
		sysctl -q -w net.ipv6.conf.idler.disable_ipv6=1 && ip link set idler up
}

# Prints kicks, wake-ups and looks before sleeping of all queues.
activity() {
	"$vmrun" stat idler --json | perl -MJSON::PP -0777 -ne '
		my @sum = (0, 0, 0);
		for my $device (@{decode_json($_)->{devices}}) {
			for my $queue (@{$device->{queues}}) {
				$sum[0] += $queue->{kicks};
				$sum[1] += $queue->{wakeups};
				$sum[2] += $queue->{polls};
			}
		}
		print "@sum\n"'
}

was_used() {
	[[ $before =~ ^[1-9] ]]
}

rested() {
	echo "# kicks, wake-ups, polls: $before; a minute later: $after"
	[ -n "$before" ] && [ "$before" = "$after" ]
}

quit_guest() {
	"$vmrun" ctl idler quit && wait "$pid"
}

need_guests
make_work
make_initramfs "$@"
plan 5
truncate -s 1M "$work/disk"
check "there is a tap" make_tap
start --name idler --disk "$work/disk,queues=2" --net tap=idler
check "a guest comes up" wait_up 1
# What Linux does after its boot, such as looking for partitions.
sleep 5
before=$(activity)
sleep 60
after=$(activity)
check "its devices were used" was_used
check "and then no lane woke up for a minute" rested
check "it can be ended" quit_guest
ip link del idler
finish
