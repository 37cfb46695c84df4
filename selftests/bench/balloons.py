# SPDX-License-Identifier: GPL-2.0-only
"""Memory lent to the host: records of kind "balloon" as tables."""
from tables import OURS, median, plot, show, verdict

THEIRS = "qemu"
PAGES = {"thp": "transparent huge", "2M": "hugetlb 2M", "1G": "hugetlb 1G"}
NEVER = float("inf")


def seconds(value):
    """Of milliseconds, which are negative if it did not happen while one waited."""
    return NEVER if value < 0 else value / 1e3


def measures(record):
    """What one guest has shown, by shares of what was asked for or of its memory."""
    wanted = record["mib"] * 1024
    return {
        "inflate": record["inflate"] / 1e3,
        "deflate": record["deflate"] / 1e3,
        "given": record["given"] / wanted,
        "given_after": seconds(record["given_after"]),
        "back": seconds(record["back"]),
        "split_pages": record["split_pages"],
        "split_pmds": record["split_pmds"],
        "splits": record["split_pages"] + record["split_pmds"],
        "collapses": record["collapses"],
        "huge": record["huge"] / max(1, record["resident"]),
        "lent_huge": record["lent_huge"] / max(1, record["lent_resident"]),
        "back_huge": record["back_huge"] / max(1, record["back_resident"]),
        "read": record["read"] / 1e3,
        "read_again": record["read_again"] / 1e3,
        "slower": record["read_again"] / record["read"],
    }


class Balloons:
    """All measurements, by the pages that the guest's memory is in and by VMM."""

    def __init__(self, records):
        self.runs = {}
        self.sizes = {}
        for r in records:
            if r["kind"] == "balloon":
                peers = self.runs.setdefault(r["pages"], {})
                peers.setdefault(r["peer"], []).append(measures(r))
                self.sizes[r["pages"]] = f"{r['mib']} of {r['guest_mib']}"

    def value(self, pages, peer, name):
        return median([m[name] for m in self.runs[pages].get(peer, [])])

    def ours(self, name, of=median):
        """By kind of pages: of all rounds what stands for them, or the worst."""
        return {PAGES[p]: of([m[name] for m in peers[OURS]])
                for p, peers in self.runs.items() if OURS in peers}

    def faster(self, pages, name="inflate"):
        """How many times as long QEMU takes."""
        ours, theirs = (self.value(pages, p, name) for p in (OURS, THEIRS))
        return theirs / ours if ours and theirs else None

    def aims(self):
        rows = verdict("huge pages taken apart by a balloon, at most", self.ours("splits", max),
                       0, True)
        rows += verdict("part of what was asked for that the host has, at least",
                        self.ours("given"), 0.95, False)
        rows += verdict("seconds from having all back to 95 % in huge pages, at most",
                        self.ours("back"), 10, True)
        return rows + verdict("QEMU's time to inflate to vmrun's, at least",
                              {PAGES[p]: self.faster(p) for p in self.runs}, 3, False)

    def rows(self, columns):
        """A row for each kind of pages and VMM; columns are title, measure and digits."""
        rows = [["memory in pages", "MiB", "VMM", "rounds"] + [c[0] for c in columns]]
        for pages, peers in self.runs.items():
            for peer in sorted(peers):
                rows.append([PAGES[pages], self.sizes[pages], peer, str(len(peers[peer]))] +
                            [show(self.value(pages, peer, name), digits)
                             for _, name, digits in columns])
        return rows

    def tables(self):
        aims = [["what", "aim", "median", "worst", "reached"]] + self.aims()
        return [
            ("balloon-aims", "Aims, balloons", aims),
            ("balloon-times", "Lending, in seconds", self.rows(
                [("inflate", "inflate", 3), ("until the host has 95 %", "given_after", 3),
                 ("part the host has", "given", 3), ("deflate", "deflate", 3)])),
            ("balloon-pages", "Huge pages", self.rows(
                [("thp_split_page", "split_pages", 4), ("thp_split_pmd", "split_pmds", 4),
                 ("thp_collapse_alloc", "collapses", 4), ("part in huge pages before", "huge", 3),
                 ("while lent", "lent_huge", 3), ("afterwards", "back_huge", 3),
                 ("seconds to 95 %", "back", 3)])),
            ("balloon-reads", "Random reads of memory, in nanoseconds", self.rows(
                [("before", "read", 3), ("afterwards", "read_again", 3),
                 ("afterwards to before", "slower", 3)])),
        ]

    def plot(self, path):
        keys = [k for k in self.runs if self.faster(k)]
        if keys:
            plot(path, [PAGES[k] for k in keys],
                 ([self.faster(k) for k in keys], "Time to inflate, QEMU / vmrun", 3),
                 ([self.value(k, OURS, "given") for k in keys],
                  "Part of what was asked for that the host has, vmrun", 0.95))
