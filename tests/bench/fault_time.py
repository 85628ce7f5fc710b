# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of one random fault goes; no figure, lines for the report.

Measured: one run of swap_random_nbd.py's program on our disk with the module's
tracepoints on, in means: the whole (time by faults), the request in the block layer
(hc_io_done), the wire and the donor (hc_call_done). The whole holds the touches without
a fault and waiting for the write-out of other pages as well.
"""

from benchkit.field import SET_MB, WORK_S, Field
from benchkit.trace import tracing


def tell(field: Field) -> list[str]:
    field.borrower.run("sysctl -qw vm.page-cluster=0")
    with tracing(field.borrower) as found:
        run = field.run("hyperchain 1", f"hc-bench-faults random {SET_MB} {WORK_S}")
    trace, whole = found[0], 1e6 / run.faults_per_s
    io, call = trace.means()
    return [f"one random fault on our disk, traced, means: {whole:.0f} us in all = {call:.0f} us the call to the donor "
            f"+ {io - call:.0f} us the module's other work ({len(trace.ios)} reads) + {whole - io:.0f} us the kernel's "
            "fault, reclaim, write-out and wake-up"]
