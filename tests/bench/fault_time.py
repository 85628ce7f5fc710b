# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of one random fault goes; no figure, lines for the report.

Measured: runs of swap_random_nbd.py's program on our disk with tracepoints on, the
module's and the kernel's own: means of the parts of a fault that read one page. Then, in
a run of its own, how long the donor takes from the packet that asks to the one that
answers. The whole is time by faults; what no tracepoint explains of it is told with its
share: the program's touches, faults that read nothing, the answers to what was written
out, and whatever else nobody looked for.
Not measured: what tracing adds, which is much of the small parts on an emulated machine.
"""

from benchkit.field import SET_MB, Field
from benchkit.trace import DONOR, FAULTS, donor_us, parts_of_fault, tracing

COMMAND = f"hc-bench-faults random {SET_MB} 2"


def tell(field: Field) -> list[str]:
    field.borrower.run("sysctl -qw vm.page-cluster=0")
    with tracing(field.borrower, FAULTS) as found:
        run = field.run("hyperchain 1", COMMAND)
    parts, count = parts_of_fault(found[0])
    with tracing(field.donor, DONOR) as found:
        field.run("hyperchain 1", COMMAND)
    whole = 1e6 / run.faults_per_s
    rest = whole - sum(parts.values())
    return [f"one random fault on our disk, traced, means of {count}: {whole:.0f} us in all = "
            + " + ".join(f"{us:.0f} us {name}" for name, us in parts.items())
            + f" + {rest:.0f} us ({rest / whole:.0%}) what no tracepoint explains; "
            f"of the call the donor has {donor_us(found[0]):.0f} us in another run, "
            "from the packet in to the page out (median)"]
