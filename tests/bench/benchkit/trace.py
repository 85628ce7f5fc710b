# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of a fault goes, from the module's tracepoints.

They cost time themselves: what is taken with them on is never compared with
what is taken without.
"""

import contextlib
import re
from statistics import mean, median
from typing import Iterator

from labkit.node import Node

from .figure import NotTaken

TRACING = "/sys/kernel/tracing"
READ = 5      # HCW_READ
OP_READ = 0   # REQ_OP_READ
BUFFER_KB = 4096


class Trace:
    """Calls and requests for one page that were read without error, in us."""

    def __init__(self, text: str):
        self.calls = [int(us) for us in re.findall(rf"hc_call_done: .* type={READ} nr=1 err=0 us=(\d+)", text)]
        self.ios = [int(us) for us in re.findall(rf"hc_io_done: .* nr=1 op={OP_READ} err=0 us=(\d+)", text)]

    @property
    def call_us(self) -> float:
        return median(_some(self.calls, "hc_call_done"))


    def means(self) -> tuple[float, float]:
        """Of a request and of a call: parts that add up."""
        return mean(_some(self.ios, "hc_io_done")), mean(_some(self.calls, "hc_call_done"))


def _some(values: list[int], what: str) -> list[int]:
    if not values:
        raise NotTaken(f"the tracepoint {what} told of no read of one page")
    return values


@contextlib.contextmanager
def tracing(node: Node) -> Iterator[list[Trace]]:
    """Tracepoints on inside the block; afterwards the list has what came."""
    found: list[Trace] = []
    node.run(f"""set -e
        mountpoint -q {TRACING} || mount -t tracefs none {TRACING}
        cd {TRACING}
        echo 0 >tracing_on; echo >trace; echo {BUFFER_KB} >buffer_size_kb
        echo 'type == {READ} && nr == 1' >events/hyperchain/hc_call_done/filter
        echo 'op == {OP_READ} && nr == 1' >events/hyperchain/hc_io_done/filter
        echo 1 >events/hyperchain/hc_call_done/enable; echo 1 >events/hyperchain/hc_io_done/enable
        echo 1 >tracing_on""")
    try:
        yield found
    finally:
        text = node.output(f"cd {TRACING}; echo 0 >tracing_on; echo 0 >events/hyperchain/enable; "
                           "cat trace; echo >trace", 120)
        found.append(Trace(text))
