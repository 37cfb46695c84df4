# SPDX-License-Identifier: GPL-2.0-only
"""The data plane of disks: records of kind "plane" as tables."""
import re

from tables import OURS, median, plot, show, verdict

NATIVE, THEIRS, SPLIT = "native", "qemu", "vmrun-split"


def measures(record):
    """What one run says, per I/O where that makes sense."""
    said = dict(re.findall(r"(\w+)=(\d+)", record["result"]))
    per_ns = int(said["ios"]) / int(said["ns"])
    if record["peer"] == NATIVE:
        return {"iops": per_ns * 1e9,
                "cpu_us": record["native.cpu_us"] / max(1, int(said["ios"]))}
    ios = per_ns * record["time.ns"]
    cpu = record["cg.usage_usec"]
    return {
        "iops": per_ns * 1e9,
        "cpu_us": cpu / ios / 1e3,
        "cpu_host_us": max(0, cpu - record.get("proc.guest", 0)) / ios / 1e3,
        "exits": record.get("kvm.exits", 0) / ios,
        "irqs": record.get("kvm.irq_injections", 0) / ios,
    }


class Planes:
    """All measurements, by queues, disk, I/Os in flight, and VMM."""

    def __init__(self, records):
        self.runs = {}
        for r in records:
            if r["kind"] == "plane":
                key = (r["queues"], r["backing"], r["depth"])
                peers = self.runs.setdefault(key, {})
                peers.setdefault(r["peer"], {})[r["round"]] = measures(r)
        peers = {p for run in self.runs.values() for p in run}
        self.peers = [p for p in (NATIVE, THEIRS, OURS, SPLIT) if p in peers]
        self.peers += sorted(peers - set(self.peers), reverse=True)

    def value(self, key, peer, name):
        rounds = self.runs.get(key, {}).get(peer, {})
        return median([m.get(name) for m in rounds.values()])

    def ratio(self, key, name, ours=OURS, theirs=THEIRS):
        """The median over the rounds."""
        run = self.runs.get(key, {})
        ratios = [mine[name] / run[theirs][number][name]
                  for number, mine in run.get(ours, {}).items()
                  if run.get(theirs, {}).get(number, {}).get(name)]
        return median(ratios)

    def scaling(self, key, peer):
        """How many times as fast as with one queue."""
        one = self.value((1, *key[1:]), peer, "iops")
        many = self.value(key, peer, "iops")
        return many / one if one and many else None

    def aims(self):
        def those(queues, depth):
            return [k for k in self.runs if queues in (None, k[0]) and depth in (None, k[2])]

        def named(keys, value):
            return {"{1} x{2}, {0}q".format(*k): value(k) for k in keys}
        scaling = {}
        for k in those(None, 32):
            ours, theirs = (self.scaling(k, p) for p in (OURS, THEIRS))
            if k[0] > 1 and ours and theirs:
                scaling["{1} x{2}, {0}q".format(*k)] = ours / theirs
        rows = verdict("IOPS x1 with one queue to QEMU, at least",
                       named(those(1, 1), lambda k: self.ratio(k, "iops")), 1.3, False)
        rows += verdict("IOPS x32 to QEMU, at least",
                        named(those(None, 32), lambda k: self.ratio(k, "iops")), 2, False)
        rows += verdict("the host's CPU time per I/O to QEMU, at most",
                        named(self.runs, lambda k: self.ratio(k, "cpu_host_us")), 0.5, True)
        rows += verdict("the same with the guest's own, at most",
                        named(self.runs, lambda k: self.ratio(k, "cpu_us")), 0.5, True)
        rows += verdict("VM exits per I/O x32, at most",
                        named(those(None, 32), lambda k: self.value(k, OURS, "exits")), 0.2,
                        True)
        return rows + verdict("speed-up by more queues, x32, to QEMU's, at least", scaling, 1,
                              False)

    def columns(self, key, name):
        return [show(self.value(key, p, name)) for p in self.peers]

    def rows(self, name, what):
        head = ["queues", "disk", "in flight"] + self.peers
        rows = [head + ["vmrun to qemu", "vmrun to vmrun-split"]]
        for key in self.runs:
            rows.append([str(key[0]), key[1], str(key[2])] + self.columns(key, name) +
                        [show(self.ratio(key, name), 2),
                         show(self.ratio(key, name, theirs=SPLIT), 2)])
        return what, rows

    def scaling_rows(self):
        guests = [p for p in self.peers if p != NATIVE]
        rows = [["queues", "disk", "in flight"] + guests]
        for key in self.runs:
            if key[0] > 1:
                rows.append([str(key[0]), key[1], str(key[2])] +
                            [show(self.scaling(key, p), 2) for p in guests])
        return rows

    def tables(self):
        aims = [["what", "aim", "median", "worst", "reached"]] + self.aims()
        return [
            ("plane-aims", "Aims, data plane", aims),
            ("plane-rates", *self.rows("iops", "I/Os per second")),
            ("plane-cpu", *self.rows("cpu_us", "CPU time per I/O in microseconds")),
            ("plane-host-cpu", *self.rows("cpu_host_us", "The same without the guest's own")),
            ("plane-exits", *self.rows("exits", "VM exits per I/O")),
            ("plane-irqs", *self.rows("irqs", "Interrupts per I/O")),
            ("plane-scaling", "Times as many I/Os as with one queue", self.scaling_rows()),
        ]

    def plot(self, path):
        keys = [k for k in self.runs if self.ratio(k, "iops")]
        if keys:
            plot(path, ["{1} x{2}, {0}q".format(*k) for k in keys],
                 ([self.ratio(k, "iops") for k in keys], "I/Os per second, vmrun / QEMU", 2),
                 ([self.ratio(k, "cpu_us") for k in keys], "CPU time per I/O, vmrun / QEMU",
                  0.5))
