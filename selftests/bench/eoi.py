# SPDX-License-Identifier: GPL-2.0-only
"""What ends interrupts: records of kind "eoi" as a table."""
import re

from tables import OURS, median, show, verdict

PLAIN = "vmrun-eoi-exits"


def measures(record):
    """EOI exits of each interrupt; exits and interrupts of each I/O."""
    said = dict(re.findall(r"(\w+)=(\d+)", record["result"]))
    ios = int(said["ios"]) / int(said["ns"]) * record["time.ns"]
    return {
        "interrupts": record["ended"],
        "eoi_exits": (record["ended"] - record["free"]) / max(1, record["ended"]),
        "exits": record.get("kvm.exits", 0) / ios,
        "irqs": record.get("kvm.irq_injections", 0) / ios,
    }


class Eois:
    """All measurements, by load and by whether there is PV-EOI."""

    def __init__(self, records):
        self.runs = {}
        for r in records:
            if r["kind"] == "eoi":
                key = f"{r['op']} {r['block'] // 1024}K x{r['depth']}"
                peers = self.runs.setdefault(key, {})
                peers.setdefault(r["peer"], []).append(measures(r))

    def value(self, key, peer, name):
        return median([m[name] for m in self.runs[key].get(peer, [])])

    def ratio(self, key):
        ours, plain = (self.value(key, p, "eoi_exits") for p in (OURS, PLAIN))
        return ours / plain if ours is not None and plain else None

    def aims(self):
        return verdict("EOI exits of an interrupt, PV-EOI on to off, at most",
                       {k: self.ratio(k) for k in self.runs}, 0.5, True)

    def rows(self):
        head = ["load"]
        for text in ("interrupts ended", "EOI exits per interrupt", "exits per I/O",
                     "interrupts per I/O"):
            head += [f"{text}, PV-EOI on", "off"]
        head.append("EOI exits, on to off")
        rows = [head]
        for key in self.runs:
            row = [key]
            for name in ("interrupts", "eoi_exits", "exits", "irqs"):
                row += [show(self.value(key, p, name)) for p in (OURS, PLAIN)]
            rows.append(row + [show(self.ratio(key), 2)])
        return rows

    def tables(self):
        return [
            ("eoi-aims", "Aims, ends of interrupts",
             [["what", "aim", "median", "worst", "reached"]] + self.aims()),
            ("eoi", "Ends of interrupts", self.rows()),
        ]
