# SPDX-License-Identifier: GPL-2.0-only
"""What was measured of networks."""
import re

from tables import MIB, OURS, VDPA_NET, interval, median, plot, show, verdict

# The unit of work: a MiB of a stream, a packet, a question answered.
UNITS = {"stream-out": "MiB", "stream-in": "MiB", "packets-out": "packet",
         "packets-in": "packet", "rr": "answer"}
HEAD = ["pairs", "path", "load"]


def work_per_ns(record):
    """And which of a packet's two ends it was counted at."""
    said = {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", record["result"])}
    if UNITS[record["load"]] == "MiB":
        return said["bytes"] / MIB / said["ns"], said
    if record["load"] == "packets-out":
        # Those that reached the peer's interface.
        return record.get(record["path"] + ".tx_packets", 0) / record["time.host_ns"], said
    return said["count"] / said["ns"], said


def queues(report):
    """The queues of the network device in what vmrun stat says."""
    for device in (report or {}).get("devices", []):
        if device["type"] == "net":
            return device["queues"]
    return []


def module_counters(record):
    """What the module has counted, of all queues, from before the warm-up on."""
    sums = {}
    before, after = (queues(report) for report in record["module"])
    for old, new in zip(before, after):
        role = ".in" if new["index"] % 2 == 0 else ".out"
        for name, value in new.items():
            if isinstance(value, int) and isinstance(old.get(name), int):
                sums[name + role] = sums.get(name + role, 0) + value - old[name]
    return sums


def module_shares(record):
    """Counters of the module, against each other."""
    c = module_counters(record)
    if not c:
        return {}
    packets = {"in": c.get("requests.in", 0), "out": c.get("requests.out", 0)}
    out = {"module.uncopied": c.get("zerocopy_bytes.out", 0) / max(1, c.get("bytes_in.out", 0)),
           "module.copied_late": c.get("zerocopy_copied.out", 0) / max(1, packets["out"])}
    for name in ("kicks", "wakeups", "interrupts", "suppressed", "drops", "batches", "starved"):
        for role, nr in packets.items():
            out[f"module.{name}.{role}"] = c.get(f"{name}.{role}", 0) / max(1, nr)
    return out


def measures(record):
    """What one run says, per unit of work where that makes sense."""
    per_ns, said = work_per_ns(record)
    if not per_ns:
        return None
    work = per_ns * record["time.ns"]
    host_work = per_ns * record["time.host_ns"]
    cpu = record["cg.usage_usec"]
    vcpus = sum(v for k, v in record.items() if re.match(r"task\.(CPU|vcpu)", k))
    sleeps = sum(v for k, v in record.items() if k.startswith("sleep.") and
                 not re.match(r"sleep\.(CPU|vcpu)", k))
    packets = record.get("tap.rx_packets", 0) + record.get("tap.tx_packets", 0)
    out = {
        "rate": per_ns * 1e9,
        "cpu_us": cpu / work / 1e3,
        "cpu_host_us": max(0, cpu - record.get("proc.guest", 0)) / work / 1e3,
        "cpu_io_threads_us": max(0, cpu - vcpus) / work / 1e3,
        "cpu_peer_us": record.get("peer.usage_usec", 0) / host_work / 1e3,
        "system_us": record.get("sys.busy", 0) / host_work / 1e3,
        "exits": record.get("kvm.exits", 0) / work,
        "irqs": record.get("kvm.irq_injections", 0) / work,
        "sleeps": sleeps / work,
        "switches": record.get("proc.switches", 0) / work,
        "tap_packets": packets / host_work,
        "resent": said["resent"] / (per_ns * said["ns"]),
        "lost": record.get("tap.tx_dropped", 0) / host_work,
    }
    for percent in ("p50", "p90", "p99"):
        out[percent] = said[percent] / 1e3
    out.update(module_shares(record))
    for name, value in record.items():
        if name.startswith(("kvm.", "task.", "sleep.")):
            out[name] = value / work
    return out


class Nets:
    """All measurements of networks of a kind, by load and VMM."""

    def __init__(self, records, kind="net", ours=OURS):
        self.runs = {}
        self.ours = ours
        for r in records:
            if r["kind"] != kind:
                continue
            measured = measures(r)
            if measured:
                key = (r["pairs"], r["part"].split("-")[-2], r["load"])
                peers = self.runs.setdefault(key, {})
                peers.setdefault(r["peer"], {})[r["round"]] = measured

    def of(self, copying):
        """The loads with vhost-net as it is by default, or told not to copy."""
        return [k for k in self.runs if (k[1] == "zcopy") != copying]

    def peers(self, keys):
        return sorted({p for k in keys for p in self.runs[k]},
                      key=lambda p: (p == self.ours, not p.startswith("vhost"), p))

    def value(self, key, peer, name):
        rounds = self.runs[key].get(peer, {})
        return median([m.get(name, 0) for m in rounds.values()])

    def ratios_of(self, key, name):
        """Ours to vhost-net's, round by round."""
        ours = self.runs[key].get(self.ours, {})
        base = self.runs[key].get("vhost-zcopy" if key[1] == "zcopy" else "vhost", {})
        return [ours[n][name] / base[n][name] for n in ours if n in base and base[n][name]]

    def ratio(self, key, name):
        return median(self.ratios_of(key, name))

    def bounds(self, key, name):
        between = interval(self.ratios_of(key, name))
        return " - ".join(show(v, 2) for v in between) if between else "-"

    def columns(self, keys, key, name, bounds):
        return ([show(self.value(key, p, name)) for p in self.peers(keys)] +
                [show(self.ratio(key, name), 2)] +
                [self.bounds(key, name)] * bounds)

    def table(self, copying, columns, bounds=False):
        """columns: pairs of a title and the name of a measure."""
        keys = self.of(copying)
        heads = ["ratio"] + ["95 %"] * bounds
        rows = [HEAD + [head for title, _ in columns
                        for head in [f"{title}, {p}" for p in self.peers(keys)] + heads]]
        for key in keys:
            rows.append([str(key[0]), key[1], key[2]] +
                        [cell for _, name in columns
                         for cell in self.columns(keys, key, name, bounds)])
        return rows

    def ratios(self, name, wanted):
        """Of the loads that begin so, with vhost-net as it is by default."""
        return {f"{k[2]}, {k[1]}, {k[0]} pair{'s' * (k[0] > 1)}": self.ratio(k, name)
                for k in self.of(True) if k[2].startswith(wanted[0]) and k[1] in wanted[1]}

    def aims(self):
        rows = [["what, against vhost-net", "aim", "median", "worst", "reached"]]
        anywhere = ("veth", "wire")
        rows += verdict("throughput of streams, at least",
                        self.ratios("rate", ("stream", anywhere)), 1, False)
        rows += verdict("questions answered, at least",
                        self.ratios("rate", ("rr", anywhere)), 1, False)
        rows += verdict("packet rate, at least",
                        self.ratios("rate", ("packets", anywhere)), 1.2, False)
        rows += verdict("CPU time per byte sent to a network card, at most",
                        self.ratios("cpu_us", ("stream-out", ("wire",))), 0.85, True)
        rows += verdict("the same without the guest's, at most",
                        self.ratios("cpu_host_us", ("stream-out", ("wire",))), 0.85, True)
        return rows

    def latency(self):
        keys = [k for k in self.of(True) if k[2] == "rr"]
        rows = [HEAD[:2] + ["VMM", "median, us", "90 %, us", "99 %, us"]]
        for key in keys:
            for peer in self.peers(keys):
                rows.append([str(key[0]), key[1], peer] +
                            [show(self.value(key, peer, p)) for p in ("p50", "p90", "p99")])
        return rows

    def module(self):
        names = [("bytes not copied, %", "uncopied", 100), ("packets copied late, %",
                 "copied_late", 100)]
        for role in ("out", "in"):
            names += [(f"{n} {role}", f"{n}.{role}", 1)
                      for n in ("kicks", "wakeups", "interrupts", "drops")]
        rows = [HEAD + [title for title, _, _ in names]]
        for key in self.runs:
            if f"module.{names[0][1]}" in next(iter(self.runs[key].get(OURS, {0: {}}).values())):
                rows.append([str(key[0]), key[1], key[2]] + [show(factor * self.value(key, OURS, f"module.{n}"), 2)
                                         for _, n, factor in names])
        return rows

    def tables(self):
        overhead = [("VMM without guest", "cpu_host_us"), ("I/O threads", "cpu_io_threads_us"),
                    ("whole host", "system_us")]
        events = [("exits", "exits"), ("interrupts", "irqs"), ("sleeps", "sleeps"),
                  ("packets", "tap_packets")]
        rates = [("rate", "rate"), ("CPU us", "cpu_us")]
        return [
            ("net-aims", "Networks: aims", self.aims()),
            ("net-rates", "Networks: MiB, packets or answers in a second; CPU time of each",
             self.table(True, rates, True)),
            ("net-overhead", "Networks: CPU time in microseconds, apart",
             self.table(True, overhead)),
            ("net-events", "Networks: events for each MiB, packet or answer",
             self.table(True, events)),
            ("net-latency", "Networks: time to an answer", self.latency()),
            ("net-zcopy", "Networks: vhost-net told not to copy",
             self.table(False, rates + overhead[:1])),
            ("net-module", "Networks: what the module counts, for each packet (in: buffer)",
             self.module()),
        ]

    def everything(self):
        names = sorted({n for run in self.runs.values() for peer in run.values()
                        for m in peer.values() for n in m})
        rows = [HEAD + ["vmm"] + names]
        for key, run in self.runs.items():
            for peer in run:
                rows.append(list(key) + [peer] +
                            [show(self.value(key, peer, n), 5) for n in names])
        return rows

    def plot(self, path):
        keys = [k for k in self.of(True) if self.ratio(k, "rate")]
        if keys:
            plot(path, [f"{k[2]}, {k[1]}, {k[0]}p" for k in keys],
                 ([self.ratio(k, "rate") for k in keys], "rate, vmrun / vhost-net", 1),
                 ([self.ratio(k, "cpu_us") for k in keys],
                  "CPU time of each, vmrun / vhost-net", 0.85))
