# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of one random fault goes; no figure, lines for the report.

Measured: one run of swap_random_nbd.py's program on our disk with the module's
tracepoints on: the whole (time by faults), the request in the block layer (hc_io_done),
the wire and the donor (hc_call_done). Medians of the parts, a mean of the whole: they
need not add up. The whole holds the write-out of other pages as well.
"""

from benchkit.field import SET_MB, WORK_S, Field
from benchkit.trace import tracing


def tell(field: Field) -> list[str]:
    field.borrower.run("sysctl -qw vm.page-cluster=0")
    with tracing(field.borrower) as found:
        run = field.run("hyperchain 1", f"hc-bench-faults random {SET_MB} {WORK_S}")
    trace, whole = found[0], 1e6 / run.faults_per_s
    return [f"one random fault on our disk, traced: {whole:.0f} us in all with its share of write-out, of these "
            f"{trace.io_us:.0f} us the read in the module (median of {len(trace.ios)}), of these {trace.call_us:.0f} us "
            f"the call to the donor (median of {len(trace.calls)}); so {trace.io_us - trace.call_us:.0f} us of the "
            f"module's own and {whole - trace.io_us:.0f} us of the kernel's fault, reclaim and wake-up"]
