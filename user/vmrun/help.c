// SPDX-License-Identifier: GPL-2.0-only
/* What --help prints. */
#include "help.h"
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *command;
	const char *text;
} helps[] = {
	{ NULL,
	  "usage: vmrun COMMAND [ARGUMENT...]\n"
	  "\n"
	  "Runs virtual machines on KVM whose virtio devices live in the module kvlane.\n"
	  "\n"
	  "  run      start a VM and stay with it until it ends\n"
	  "  list     the VMs that run\n"
	  "  stat     what the devices of a VM have done\n"
	  "  events   what goes wrong with the devices of all VMs, as it happens\n"
	  "  ctl      press the power button of a VM, pull its cable, throttle it, end it\n"
	  "  vdpa     make devices for QEMU and others, by vDPA\n"
	  "  check    what this host offers, and what to do about what it does not\n"
	  "\n"
	  "vmrun COMMAND --help tells more; vmrun --version prints the version.\n" },
	{ "run",
	  "usage: vmrun run --kernel PATH --memory SIZE --cpus N [OPTION...]\n"
	  "\n"
	  "  --kernel PATH      bzImage, or ELF kernel with a PVH entry\n"
	  "  --initrd PATH      initial RAM disk\n"
	  "  --append STRING    kernel command line\n"
	  "  --memory SIZE[,hugepages=2M|1G|thp|off]\n"
	  "                     guest memory, such as 512M or 4G; reserved huge pages of\n"
	  "                     2 MiB or 1 GiB, transparent ones, or none (transparent ones\n"
	  "                     where the host gives them)\n"
	  "  --cpus N           processors, 1 to 255\n"
	  "  --disk PATH[,ro][,direct][,serial=TEXT][,queues=N][,block-size=N][,discard=off]\n"
	  "        [,iops=RATE][,iops-read=RATE][,iops-write=RATE][,bps=RATE][,bps-read=RATE]\n"
	  "        [,bps-write=RATE][,throttle=NAME][,lanes=N][,packed=off][,iopoll]\n"
	  "        [,poll=USEC][,coalesce=USEC[:REQUESTS]][,cpus=LIST]\n"
	  "                     image file or block device; may be repeated (28 at most)\n"
	  "  --vfio ADDRESS[,bind]\n"
	  "                     a PCI device of the host, such as 0000:01:00.0, that the driver\n"
	  "                     vfio-pci has, or takes as long as the guest runs; may be\n"
	  "                     repeated (8 at most)\n"
	  "  --net bridge=NAME|tap=NAME|macvtap=NAME|fd=N[:N...][,queues=N][,mac=ADDRESS]\n"
	  "        [,mtu=N][,zerocopy=off][,rss=on][,lanes=pair|queue][,id=NAME]\n"
	  "        [,pps=RATE][,pps-in=RATE][,pps-out=RATE][,bps=RATE][,bps-in=RATE]\n"
	  "        [,bps-out=RATE][,throttle=NAME][,packed=off][,poll=USEC]\n"
	  "        [,coalesce=USEC[:REQUESTS]][,cpus=LIST]\n"
	  "                     network device: a port of a bridge, a tap or macvtap that is\n"
	  "                     there, a macvtap of its own on an interface, or descriptors\n"
	  "                     of the caller's; may be repeated (28 at most)\n"
	  "  --rng[=SOURCE][,rate=BYTES]\n"
	  "                     entropy source: the host's generator, or SOURCE such as\n"
	  "                     /dev/hwrng; at most BYTES per second\n"
	  "  --balloon[=target=SIZE][,auto=SIZE][,reporting=on]\n"
	  "                     memory that the guest lends to the host: target at first; with\n"
	  "                     auto as much as the host needs and the guest can spare, up to\n"
	  "                     SIZE; with reporting the guest tells what it has no use for\n"
	  "  --throttle NAME[,LIMIT=RATE...]\n"
	  "                     limits for all disks and network devices with throttle=NAME\n"
	  "                     together, also for those of other VMs with throttle=VM/NAME;\n"
	  "                     LIMIT as for these, or ops, ops-read, ops-write; may be\n"
	  "                     repeated (28 at most)\n"
	  "  --console stdio|file:PATH|none\n"
	  "                     where the serial port leads (stdio)\n"
	  "  --name NAME        name for list, stat and ctl (vm-PID)\n"
	  "  --no-reboot        end when the guest wants to reboot\n"
	  "  --notify auto|port|mmio\n"
	  "                     whether drivers notify devices through a port or through\n"
	  "                     memory (auto: what is cheaper on this host)\n"
	  "  --pv-eoi on|off    off to have each interrupt ended by an exit (on)\n"
	  "  --sandbox on|off   off for debugging of vmrun itself (on)\n"
	  "  --stats-at-exit FILE\n"
	  "                     write statistics there as JSON when the guest has ended\n"
	  "\n"
	  "RATE is what may be done in a second: requests (iops), packets (pps; in is what the\n"
	  "guest receives) or bytes (bps, such as 50M).  RATE:BURST:SECONDS, such as\n"
	  "500:2000:10, lets it be BURST for SECONDS after a pause.\n"
	  "\n"
	  "On a terminal, Ctrl-] x ends the guest and Ctrl-] ? shows more keys.  In a path,\n"
	  "write two commas for one.\n"
	  "\n"
	  "Exit status: 0 the guest powered off or was ended, 1 a failure while it ran,\n"
	  "2 not started, 3 the guest crashed, 4 KVM could not go on, 5 vmrun did what its\n"
	  "sandbox forbids.\n" },
	{ "list",
	  "usage: vmrun list [--json]\n"
	  "\n"
	  "Lists the VMs of this user that run.\n" },
	{ "stat",
	  "usage: vmrun stat NAME [--watch] [--json]\n"
	  "\n"
	  "Shows, for every device and queue of a VM: requests, bytes read and written by\n"
	  "the guest, notifications, interrupts sent and saved, errors, latency (median and\n"
	  "99th percentile, upper bounds) and the threads that serve it; what throttles have\n"
	  "held back, and their limits; and how interrupts get to its processors, and why so.\n"
	  "With --watch, each second what was done in it, until the VM ends.\n" },
	{ "ctl",
	  "usage: vmrun ctl NAME COMMAND\n"
	  "\n"
	  "  power-button   press the power button\n"
	  "  reset          reset the VM\n"
	  "  pause          stop its processors\n"
	  "  resume         let them go on\n"
	  "  link DEVICE up|down|announce\n"
	  "                 plug in or pull out the cable of a network device such as\n"
	  "                 net0, or have the guest tell the network where it is\n"
	  "  throttle [DEVICE|NAME [LIMIT=RATE...|off]]\n"
	  "                 show the limits of all devices and throttles, or of one; change\n"
	  "                 those that are named (0 lifts one), or lift them all\n"
	  "  lanes [DEVICE [poll=USEC|default] [coalesce=USEC[:REQUESTS]|off]\n"
	  "        [cpus=LIST|all]]\n"
	  "                 show or change for how long the threads of a device look for\n"
	  "                 more before they sleep, for how long and how many requests they\n"
	  "                 hold an interrupt back, and on which processors they run, such\n"
	  "                 as 0-3:8\n"
	  "  balloon [SIZE|auto]\n"
	  "                 have the guest lend SIZE of its memory to the host, or what the\n"
	  "                 host needs, as --balloon=auto says; without, show what is lent,\n"
	  "                 and how the guest is\n"
	  "  quit           end it at once\n" },
	{ "events",
	  "usage: vmrun events [NAME] [--json]\n"
	  "\n"
	  "Prints what the devices of all VMs, or of one, report: a line each, as it happens,\n"
	  "until it is interrupted.  A driver broke the rules, a request failed or does not\n"
	  "come back, a network is gone.  Needs CAP_NET_ADMIN.\n" },
	{ "vdpa",
	  "usage: vmrun vdpa add --name NAME DEVICE [--driver vhost|virtio] [--features MASK]\n"
	  "       vmrun vdpa list [--json]\n"
	  "       vmrun vdpa balloon NAME [SIZE]\n"
	  "       vmrun vdpa del NAME\n"
	  "\n"
	  "Makes a device that is used by vDPA.  add prints what to hand to QEMU, such as\n"
	  "/dev/vhost-vdpa-0:\n"
	  "\n"
	  "  qemu-system-x86_64 -object memory-backend-memfd,id=m,size=1G,share=on\n"
	  "      -machine q35,memory-backend=m ...\n"
	  "      -device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0\n"
	  "\n"
	  "  --name NAME        up to 31 letters, digits, '.', '_' or '-'\n"
	  "  --disk, --net, --rng, --balloon\n"
	  "                     DEVICE is one of these, as with vmrun run; a network device has\n"
	  "                     one queue pair; --balloon=hinting=on lets who moves the guest ask\n"
	  "                     which memory it has no use for\n"
	  "  --driver DRIVER    vhost for a process to open it; virtio has the host's own kernel\n"
	  "                     use it, as a disk for instance (vhost)\n"
	  "  --features MASK    the virtio feature bits to offer, a number such as 0x300000000\n"
	  "                     (all there are)\n"
	  "\n"
	  "The device stays when vmrun has gone, until del.  Needs CAP_NET_ADMIN.\n" },
	{ "check",
	  "usage: vmrun check\n"
	  "\n"
	  "Says, line by line, what this host offers for running guests: ok, warn (slower,\n"
	  "or something is missing that not every guest needs) or miss, and the mend.\n"
	  "Exit status: 0 if guests can run, else 1.\n" },
};

void help_print(const char *command)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(helps); i++) {
		if (command ? helps[i].command && !strcmp(command, helps[i].command) :
			      !helps[i].command)
			fputs(helps[i].text, stdout);
	}
	exit(0);
}
