# SPDX-License-Identifier: GPL-2.0-only
"""Numbers, tables and bars, for the reports of all benchmarks."""
import csv
import io
import math
import statistics
import sys
import textwrap

OURS = "vmrun"
# The same disks, and the same network device, under QEMU.
VDPA_DISK, VDPA_NET = "qemu-vdpa", "vdpa"
MIB = 1 << 20


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def interval(values):
    """
    Where the true median is with 95 % certainty, whatever their distribution: between two
    of the values, as far from their middle as a fair coin seldom goes. Fewer than six
    values cannot tell.
    """
    values, count = sorted(values), len(values)
    outside, chance = 0, 2 / 2 ** count
    while chance <= 0.05:
        outside += 1
        chance += 2 * math.comb(count, outside) / 2 ** count
    return (values[outside - 1], values[-outside]) if outside else None


def show(value, digits=3):
    """A number with so many significant digits, without exponent."""
    if value is None:
        return "-"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.3f}"


def verdict(what, values, limit, at_most):
    """One row: did the worst of the values (by name) reach the aim?"""
    values = {k: v for k, v in values.items() if v is not None}
    if not values:
        return []
    worst = (max if at_most else min)(values, key=values.get)
    good = values[worst] <= limit if at_most else values[worst] >= limit
    return [[what, show(limit, 2), show(median(values.values()), 2),
             f"{show(values[worst], 2)} ({worst})", "yes" if good else "no"]]


def write_csv(path, rows):
    with open(path, "w", encoding="ascii", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


def write_rst(path, machine, tables):
    """Tables for a document to include."""
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(f".. SPDX-License-Identifier: GPL-2.0-only\n\n::\n\n{machine}\n")
        for _, title, rows in tables:
            if len(rows) < 2:
                continue
            out.write(f".. csv-table:: {title}\n   :header-rows: 1\n\n")
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            out.write(textwrap.indent(text.getvalue(), "   ") + "\n")


def panel(axes, values, title, aim):
    """Horizontal bars, with a line at 1 and at the aim."""
    positions = range(len(values))
    axes.barh(positions, [v or 0 for v in values], color="#4878a8", height=0.7)
    axes.axvline(1, color="black", linewidth=1)
    axes.axvline(aim, color="#a03030", linestyle="--", linewidth=1)
    for y, value in zip(positions, values):
        axes.text(value or 0, y, f" {value or 0:.2f}", va="center", fontsize=7)
    axes.set_title(f"{title} (aim {aim})", fontsize=9)
    axes.tick_params(labelsize=7)


def plot(path, names, left, right):
    """Two panels side by side; each is values, title and aim."""
    try:
        import matplotlib
    except ImportError:
        print("report: no plot: apt-get install python3-matplotlib", file=sys.stderr)
        return
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "kvlane", "svg.fonttype": "none"})
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, 2, sharey=True, figsize=(9, 1 + 0.2 * len(names)))
    panel(axes[0], *left)
    panel(axes[1], *right)
    axes[0].invert_yaxis()
    axes[0].set_yticks(range(len(names)))
    axes[0].set_yticklabels(names)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
