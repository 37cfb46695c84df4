#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two guests on a network made of namespaces.
#
#   guest "one"                      guest "two"
#   eth0          eth1               eth0         eth1       eth2
#    | 2 pairs     |                  |            |          |
#    | bridge=br0  | tap=tap7         | bridge=br0 | macvtap  | fd=9, a macvtap
#    |             | 10.9.2.1         |            |  =low    |  made before
#   kvl0          tap7               kvl1         kvl...     mv
#    |                                |            |          |
#    +------------- br0 --------------+            +-- low ---+      kvlane-sw
#                    |                                  |
#                  port ............................... | ..........  veth pairs
#                    |                                  |
#                  eth0                               eth1         kvlane-peer
#                  10.9.0.1, fd09::1                  10.9.1.1
#                  eth0.7: 10.9.7.1
#
# The last byte of an address: 1 outside, 2 in guest one, 3 in guest two, and 4 on its
# third device.
set -euo pipefail
# shellcheck source=selftests/guest/talk.bash
. "$(dirname "$(readlink -f "$0")")/talk.bash"

sw=kvlane-sw peer=kvlane-peer
prefix=(ip netns exec "$sw")

again_if_lost "$@"

in_sw() { # COMMAND...
	ip netns exec "$sw" "$@"
}

in_peer() { # COMMAND...
	ip netns exec "$peer" "$@"
}

make_network() {
	modprobe -a -q tun bridge veth macvtap 8021q ipv6 || :
	ip netns add "$sw"
	ip netns add "$peer"
	in_sw ip link set lo up
	in_peer ip link set lo up
	in_sw ip link add br0 type bridge
	in_sw ip link add port mtu 9000 type veth peer name eth0 mtu 9000 netns "$peer"
	in_sw ip link add low type veth peer name eth1 netns "$peer"
	in_sw ip link set port master br0 up
	in_sw ip link set br0 mtu 9000 up
	in_sw ip link set low up
	in_sw ip link add mv link low up type macvtap mode bridge
	in_sw ip tuntap add tap7 mode tap
	in_sw ip link set tap7 up
	in_sw ip addr add 10.9.2.1/24 dev tap7
	in_peer ip link add link eth0 name eth0.7 type vlan id 7
	in_peer ip addr add 10.9.0.1/24 dev eth0
	in_peer ip addr add fd09::1/64 dev eth0 nodad
	in_peer ip addr add 10.9.7.1/24 dev eth0.7
	in_peer ip addr add 10.9.1.1/24 dev eth1
	in_peer ip link set eth0 up
	in_peer ip link set eth0.7 up
	in_peer ip link set eth1 up
}

# Runs a command whose output goes between the results, with a title.
show() { # TITLE COMMAND...
	local title=$1
	shift
	echo "# == $title"
	timeout 20 "$@" 2>&1 | sed 's/^/# /' || :
}

# What is to be seen of a network where something has failed, the first time: from
# outside and, where the guest still answers, from inside.  Goes to descriptor 3, for
# the output of a test may be on its way to a file.
show_state() {
	local name file
	if [ -e "$work/shown" ]; then
		return
	fi
	touch "$work/shown"
	for name in one two; do
		show "vmrun stat $name" "$vmrun" stat "$name"
	done
	show "links of the switch" ip netns exec "$sw" ip -s link
	show "forwarding of the switch" ip netns exec "$sw" bridge fdb show br br0
	show "links of the peer" ip netns exec "$peer" ip -s link
	show "connections of the peer" ip netns exec "$peer" ss -t -i
	for name in one two; do
		for file in interrupts net/softnet_stat net/dev net/snmp net/tcp; do
			echo "# == $name, $file"
			guest "$name" "cat /proc/$file" | sed 's/^/# /'
		done
	done
} >&3

refused() { # PATTERN ARGUMENT...
	local pattern=$1 status=0
	shift
	nsenter --net="/run/netns/$sw" timeout 60 "$vmrun" run --kernel "$kernel" --memory 256M --cpus 1 --net "$@" \
		</dev/null >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] &&
		grep -q -E -e "$pattern" "$work/err" && unused; then
		return 0
	fi
	echo "# status $status of: $*"
	sed 's/^/# /' "$work/err"
	return 1
}

# Wrong values of --net, and what the message names.
bad=(
	"leads nowhere|mac=02:00:00:00:00:01"
	"bridge=none|bridge=none"
	"bridge=port|bridge=port"
	"tap=none|tap=none"
	"tap=low|tap=low"
	"tap=mv|tap=mv"
	"tap=tap7.*multi_queue|tap=tap7,queues=2"
	"macvtap=none|macvtap=none"
	"macvtap=lo|macvtap=lo"
	"macvtap=mv|macvtap=mv,mac=02:00:00:00:00:01"
	"fd=99|fd=99"
	"fd=1|fd=1"
	"queues=65|bridge=br0,queues=65"
	"mac=01|bridge=br0,mac=01:00:00:00:00:01"
	"mtu=9000|tap=tap7,mtu=9000"
	"nosuch|bridge=br0,nosuch"
	"rss=on: only a tap|macvtap=low,queues=2,rss=on"
	"rss=maybe|bridge=br0,rss=maybe"
)

wrong_values() {
	local case failed=0
	for case in "${bad[@]}"; do
		refused "${case%%|*}" "${case#*|}" || failed=1
	done
	return "$failed"
}

configure_bridged() {
	quietly guest one "ip addr add 10.9.0.2/24 dev eth0; ip -6 addr add fd09::2/64 dev eth0
		ip link set eth0 up"
}

configure() {
	configure_bridged &&
		quietly guest one "ip addr add 10.9.2.2/24 dev eth1; ip link set eth1 up" &&
		quietly guest two "ip addr add 10.9.0.3/24 dev eth0
		ip addr add 10.9.1.3/24 dev eth1; ip addr add 10.9.1.4/32 dev eth2
		ip link set eth0 up; ip link set eth1 up; ip link set eth2 up"
}

reaches() { # NAME ADDRESS PING-ARGUMENT...
	local name=$1 address=$2
	shift 2
	quietly guest "$name" "ping -q -c 3 -i 0.2 -W 5 $* $address"
}

# Guests and what is outside see each other, with packets of any size.
pings() {
	reaches one 10.9.0.1 && reaches two 10.9.0.1 && reaches one 10.9.0.3 &&
		reaches one 10.9.0.1 -s 8972 && reaches two 10.9.0.2 -s 20000
}

ipv6() {
	reaches one fd09::1 -6 && reaches one fd09::1 -6 -s 8952
}

vlan() {
	quietly guest one "ip link add link eth0 name eth0.7 type vlan id 7
		ip addr add 10.9.7.2/24 dev eth0.7; ip link set eth0.7 up" &&
		reaches one 10.9.7.1 && reaches one 10.9.7.1 -s 8000
}

identity() {
	local mac
	mac=$(guest one "cat /sys/class/net/eth0/address")
	[[ $mac == 02:* && $(in_sw ip link show kvl0) == *"alias vmrun one net0"* ]] && [ "$(guest one "cat /sys/class/net/eth0/mtu")" = 9000 ] &&
		[ "$(in_sw cat /sys/class/net/mv/address)" = "$(guest two "cat /sys/class/net/eth2/address")" ]
}

# iperf3 from a guest to what is outside, and the other way round.  It ends before the
# guest is given up, so that the guest can be asked.
iperf() { # NAME ADDRESS ARGUMENT...
	local name=$1 address=$2
	shift 2
	quietly guest "$name" "timeout 40 iperf3 -c $address -t 1 $*" && grep -q receiver "$work/answer"
}

streams() { # ARGUMENT...
	iperf one 10.9.0.1 "$@" && iperf one 10.9.0.1 -R "$@"
}

between_guests() {
	quietly guest two "iperf3 -s -D" && iperf one 10.9.0.3 && iperf one 10.9.0.3 -R
}

sha() {
	sha256sum | cut -d ' ' -f 1
}

# Somebody outside waits at port 9.
listening() {
	in_peer grep -q ':0009 0*:0000 0A' /proc/net/tcp /proc/net/tcp6
}

# A file, sent to a guest and back. What only receives has an input that never ends,
# as nc ends with the first direction that does.
file_intact() {
	local sum
	head -c 8000000 /dev/urandom >"$work/file"
	sum=$(sha <"$work/file")
	in_peer timeout 60 busybox nc -l -p 9 <"$work/file" >"$work/back" &
	eventually 20 listening || return
	quietly guest one "mkfifo /tmp/never; timeout 40 nc 10.9.0.1 9 <>/tmp/never >/tmp/file
		rm /tmp/never; sha256sum </tmp/file" && grep -q "$sum" "$work/out" || return
	in_peer timeout 60 busybox nc -l -p 9 <>"$work/never" >"$work/back" &
	eventually 20 listening || return
	quietly guest one "timeout 40 nc 10.9.0.1 9 </tmp/file" && wait $! &&
		[ "$(sha <"$work/back")" = "$sum" ]
}

carrier() { # NAME INTERFACE STATE
	[ "$(guest "$1" "cat /sys/class/net/$2/carrier")" = "$3" ]
}

sees() { # NAME INTERFACE STATE
	eventually 10 carrier "$@" || complain "$1" "$2 does not see carrier $3"
}

control_link() {
	"$vmrun" ctl one link net0 down && sees one eth0 0 &&
		! "$vmrun" ctl one link net0 announce 2>/dev/null &&
		! "$vmrun" ctl one link none up 2>"$work/err" &&
		grep -q 'link none up: no network device' "$work/err" &&
		"$vmrun" ctl one link net0 up && sees one eth0 1 && reaches one 10.9.0.1
}

host_link() {
	in_sw ip link set kvl0 down && sees one eth0 0 &&
		in_sw ip link set kvl0 up && sees one eth0 1 &&
		in_sw ip link set br0 down && sees one eth0 0 &&
		in_sw ip link set br0 up && sees one eth0 1 && reaches one 10.9.0.1
}

macvtap_link() {
	in_peer ip link set eth1 down && sees two eth1 0 &&
		in_peer ip link set eth1 up && sees two eth1 1 && reaches two 10.9.1.1
}

knows_neighbour() { # ADDRESS
	[[ $(in_peer ip neigh show "$1") == *lladdr* ]]
}

announced() {
	in_peer sysctl -q -w net.ipv4.conf.eth0.arp_accept=1
	in_peer ip neigh flush dev eth0
	"$vmrun" ctl one link net0 announce && eventually 10 knows_neighbour 10.9.0.2
}

tap_queues() { # NUMBER
	[ "$(in_sw sh -c 'echo /sys/class/net/kvl0/queues/rx-*' | wc -w)" = "$1" ]
}

pairs() { # NUMBER
	quietly guest one "ethtool -L eth0 combined $1" && eventually 5 tap_queues "$1"
}

pairs_under_traffic() {
	local i
	quietly guest one "timeout 40 iperf3 -c 10.9.0.1 -t 6 -P 2 >/tmp/iperf 2>&1 &"
	for i in 1 2 1 2 1 2; do
		pairs "$i" || return 1
	done
	quietly guest one "wait; cat /tmp/iperf; grep -q receiver /tmp/iperf" && reaches one 10.9.0.1
}

received() { # QUEUE: what guest one has got by it, if it says itself what comes where
	"$vmrun" stat one --json | perl -MJSON::PP -0777 -e '
		my ($net) = grep { $_->{name} eq "net0" } @{decode_json(<STDIN>)->{devices}};
		print $net->{rss} eq "on" ? $net->{queues}[$ARGV[0]]{requests} : -1' "$1"
}

steered() { # QUEUE OTHER ETHTOOL-ARGUMENT...: TCP comes by the one and not by the other
	local queue=$1 other=$2 had had_other
	shift 2
	quietly guest one "ethtool -X eth0 $* && ethtool -x eth0" &&
		grep -q "with 2 RX ring" "$work/answer" || return
	sleep 0.5
	had=$(received "$queue") had_other=$(received "$other")
	((had >= 0)) && iperf one 10.9.0.1 -R -P 4 &&
		(($(received "$queue") > had + 100 && $(received "$other") < had_other + 20))
}

# Queues 0 and 2 are those that receive. The driver's table has both.
rss() {
	steered 0 2 equal 1 && steered 2 0 start 1 equal 1 &&
		quietly guest one "ethtool -X eth0 default" && reaches one 10.9.0.1
}

packets() { # rx OR tx
	in_sw cat "/sys/class/net/kvl0/statistics/$1_packets"
}

more_packets() { # rx OR tx, NUMBER
	(($(packets "$1") > $2 + 300))
}

# Packets get through both ways.  After a while without, TCP takes its time.
flows() {
	local rx tx
	rx=$(packets rx) tx=$(packets tx)
	eventually 30 more_packets rx "$rx" && eventually 30 more_packets tx "$tx"
}

# Unbinding the driver resets the device; the same connections go on afterwards.
rebind() {
	quietly guest one "dev=\$(readlink -f /sys/class/net/eth0/device); dev=\${dev##*/}
		driver=/sys/bus/virtio/drivers/virtio_net
		echo \$dev >\$driver/unbind; gone=yes; [ ! -e /sys/class/net/eth0 ] || gone=no
		echo \$dev >\$driver/bind; [ \$gone = yes ]" && configure_bridged
}

rebound_under_traffic() {
	local round server status=0
	ip netns exec "$peer" iperf3 -s -1 -p 5300 >/dev/null 2>&1 &
	server=$!
	sleep 0.5
	quietly guest one "iperf3 -c 10.9.0.1 -p 5300 -t 600 --bidir >/tmp/iperf 2>&1 &"
	for round in 1 2 3 4; do
		if ! flows || ! rebind || ! flows; then
			echo "# round $round:"
			show_state
			guest one "cat /tmp/iperf" | sed 's/^/# /'
			status=1
			break
		fi
	done
	quietly guest one "killall iperf3; wait; true"
	kill "$server" 2>/dev/null || :
	[ "$status" = 0 ] && reaches one 10.9.0.1 -s 8972
}

# Neither end computes checksums or takes packets in one piece, so that it is done in
# between.  What a guest receives is left to its driver: only segments can be refused.
offloads() { # on OR off
	in_sw ethtool -K port tx "$1" sg "$1" tso "$1" gso "$1" tx-udp-segmentation "$1" &&
		in_peer ethtool -K eth0 rx "$1" tx "$1" sg "$1" tso "$1" gso "$1" gro "$1" &&
		guest one "ethtool -K eth0 tx $1 sg $1 tso $1 gso $1 gro $1 rx-gro-hw $1"
}

# Segments that arrived with a checksum that is wrong, at both ends.
bad_checksums() {
	# shellcheck disable=SC2016	# that is for awk
	local count='/^Tcp:/ { bad = $NF } END { print bad }'
	in_peer awk "$count" /proc/net/snmp
	guest one "awk '$count' /proc/net/snmp"
}

pair_changes() { # VM
	"$vmrun" stat "$1" --json | perl -MJSON::PP -0777 -ne '
		my ($net) = grep { $_->{name} eq "net0" } @{decode_json($_)->{devices}};
		print "$net->{pair_changes} $net->{pairs}\n"'
}

# A guest that changes its mind all the time has the tap changed ten times a second, and
# ends with what it wanted last.
fickle() {
	local before after pairs start
	start=$(date +%s%N)
	read -r before pairs < <(pair_changes one)
	# shellcheck disable=SC2016	# the guest expands it
	quietly guest one 'i=0; while [ $i -lt 150 ]; do ethtool -L eth0 combined $((i % 2 + 1))
		i=$((i + 1)); done' || return
	sleep 0.3
	read -r after pairs < <(pair_changes one)
	echo "# the tap was changed $((after - before)) times in" \
		"$((($(date +%s%N) - start) / 1000000)) ms"
	[ "$pairs" = 2 ] && ((after > before)) &&
		((after - before <= ($(date +%s%N) - start) / 100000000 + 1)) && tap_queues 2
}

without_offloads() {
	local before
	before=$(bad_checksums)
	quietly offloads off && file_intact && iperf one 10.9.0.1 -u -b 20M && quietly offloads on &&
		[ "$(bad_checksums)" = "$before" ]
}

shows_counters() {
	"$vmrun" stat one >"$work/out" &&
		grep -q 'net0: kvl0 on br0, address 02:.*link up' "$work/out" &&
		"$vmrun" stat one --json | perl -MJSON::PP -0777 -ne '
			my ($net) = grep { $_->{name} eq "net0" } @{decode_json($_)->{devices}};
			my @q = @{$net->{queues}};
			exit !(@q == 5 && $net->{pairs} == 2 && $q[0]{bytes_out} + $q[2]{bytes_out} > 8e6 &&
				$q[1]{bytes_in} + $q[3]{bytes_in} > 8e6 && !grep { $_->{malformed} } @q)'
}

tap_taken() {
	in_sw ip link del kvl0
	sees one eth0 0 && eventually 5 grep -q 'taken away' "$work/one.err" &&
		quietly guest one "echo goes on" && reaches one 10.9.2.1
}

# Only what was there before is there.
no_interface_left() {
	[[ $(in_sw ip -o link) != *": kvl"* && $(echo /dev/tap*) != *" "* ]]
}

killed() {
	kill -KILL "${pids[two]}"
	wait "${pids[two]}" 2>/dev/null || :
	eventually 20 no_interface_left && in_sw ip link show mv >"$work/out"
}

ended() {
	local status=0
	"$vmrun" ctl one quit
	wait "${pids[one]}" || status=$?
	[[ $status == 0 && $(in_sw ip link show tap7) == *NO-CARRIER,*,UP*" mtu 1500 "* &&
		$(in_sw ip addr show tap7) == *10.9.2.1/24* ]]
}

clean_up() {
	local name
	for name in "${!pids[@]}"; do
		kill -KILL "${pids[$name]}" 2>/dev/null || :
	done
	kill "$server" 2>/dev/null || :
	ip netns del "$sw" 2>/dev/null || :
	ip netns del "$peer" 2>/dev/null || :
	rm -rf "$work"
}

exec 3>&1
need_guests
for program in iperf3 ethtool ip; do
	command -v "$program" >/dev/null || skip_all "no $program: run scripts/deps"
done
make_work
drivers=(virtio_net 8021q)
make_initramfs "$@"
add_talk iperf3 ethtool
server=
trap clean_up EXIT
make_network
mkfifo "$work/never"
plan 29
check "wrong values are refused, and nothing is made" wrong_values
boot_guest one --cpus 2 --net bridge=br0,queues=2,rss=on --net tap=tap7
boot_guest two --cpus 1 --net bridge=br0 --net macvtap=low --net fd=9 \
	9<>"/dev/tap$(in_sw cat /sys/class/net/mv/ifindex)"
check "guest one comes up" came_up one
check "guest two comes up" came_up two
check "addresses can be set" configure
check "address, MTU and alias are as documented" identity
# Not through a function: that would be the one to be killed.
ip netns exec "$peer" iperf3 -s >/dev/null 2>&1 &
server=$!
check "IPv4, small and large" pings
check "IPv6" ipv6
check "VLAN" vlan
check "an existing tap" reaches one 10.9.2.1
check "a macvtap" reaches two 10.9.1.1
check "a macvtap passed as a descriptor" reaches two 10.9.1.1 -I 10.9.1.4
check "TCP both ways" streams
check "UDP both ways" streams -u -b 20M
check "TCP between guests" between_guests
check "a file arrives as it was sent" file_intact
check "the link is pulled by a person" control_link
check "the link follows tap and bridge" host_link
check "the link follows what a macvtap sits on" macvtap_link
check "the guest announces itself" announced
check "queue pairs change under traffic" pairs_under_traffic
check "and not more often than is good for the host" fickle
check "the guest says which queue takes what" rss
check "the counters are shown" shows_counters
check "the driver is bound anew under traffic" rebound_under_traffic
check "a file arrives where nothing is offloaded" without_offloads
check "a guest goes on when its tap is taken away" tap_taken
check "kill -9 leaves no tap and no macvtap" killed
check "an existing tap is left as it was" ended
check "nothing holds the module" unused
finish
