# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of a fault goes, from tracepoints: the module's and the kernel's own.

They cost time themselves: what is taken with them on is never compared with
what is taken without.
"""

import contextlib
import re
from statistics import mean, median
from typing import Iterator, Mapping

from labkit.node import Node

from .figure import NotTaken

TRACING = "/sys/kernel/tracing"
READ = 5      # HCW_READ
OP_READ = 0   # REQ_OP_READ
BUFFER_KB = 6144
PROGRAM = "hc-bench-faults"

# Events by folder and name, with the filter of each.
CALLS = {"hyperchain/hc_call_done": f"type == {READ} && nr == 1"}
FAULTS = {
    **CALLS,
    "exceptions/page_fault_user": "",
    "vmscan/mm_vmscan_memcg_reclaim_begin": "",
    "vmscan/mm_vmscan_memcg_reclaim_end": "",
    "block/block_rq_issue": "",
    "hyperchain/hc_call_start": f"type == {READ} && nr == 1",
    "hyperchain/hc_io_done": f"op == {OP_READ} && nr == 1",
    "sched/sched_switch": f'next_comm == "{PROGRAM}"',
}
DONOR = {"net/netif_receive_skb": "", "net/net_dev_queue": "len > 4096"}

LINE = re.compile(r"^\s*(.+)-\d+\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (\w+): (.*)$", re.M)


@contextlib.contextmanager
def tracing(node: Node, events: Mapping[str, str]) -> Iterator[list[str]]:
    """@events on inside the block; afterwards the list has the trace's text."""
    found: list[str] = []
    on = "\n".join(f"echo '{condition or 0}' >events/{event}/filter; echo 1 >events/{event}/enable"
                   for event, condition in events.items())
    node.run(f"set -e; mountpoint -q {TRACING} || mount -t tracefs none {TRACING}; cd {TRACING}\n"
             f"echo 0 >tracing_on; echo >trace; echo {BUFFER_KB} >buffer_size_kb\n{on}\necho 1 >tracing_on")
    try:
        yield found
    finally:
        found.append(node.output(f"cd {TRACING}; echo 0 >tracing_on; echo 0 >events/enable; cat trace; echo >trace", 240))


def call_us(text: str) -> float:
    """Of the module's reads of one page: from sending the request to having the page, median."""
    calls = [int(us) for us in re.findall(rf"hc_call_done: .* type={READ} nr=1 err=0 us=(\d+)", text)]
    if not calls:
        raise NotTaken("the tracepoint hc_call_done told of no read of one page")
    return median(calls)


def parts_of_fault(text: str) -> tuple[dict[str, float], int]:
    """Mean microseconds of each part of a fault that read one page, in order, and of how many faults."""
    rows = [part for part in map(_parts, _faults(text)) if part]
    if not rows:
        raise NotTaken("the tracepoints told of no whole fault")
    return {name: mean(row[name] for row in rows) for name in rows[0]}, len(rows)


def _faults(text: str) -> Iterator[dict[str, float]]:
    """When each step of a fault of PROGRAM was, in us; "reclaim" is how long that took."""
    at: dict[str, float] = {}
    for comm, seconds, event, words in LINE.findall(text):
        now, is_ours = float(seconds) * 1e6, comm.strip() == PROGRAM
        if event == "page_fault_user" and is_ours:
            at = {"fault": now, "reclaim": 0.0}
        elif event == "mm_vmscan_memcg_reclaim_begin" and is_ours:
            at["begin"] = now
        elif event == "mm_vmscan_memcg_reclaim_end" and "begin" in at:
            at["reclaim"] = at.get("reclaim", 0.0) + now - at.pop("begin")
        elif event == "block_rq_issue" and is_ours and re.match(r"\d+,\d+ R", words):
            at["issue"] = now
        elif event == "hc_call_start" and is_ours:
            at["call"] = now
        elif event == "hc_call_done" and "call" in at:
            at["answer"] = now
        elif event == "hc_io_done" and "answer" in at:
            at["done"] = now
        elif event == "sched_switch" and "done" in at:
            yield {**at, "runs": now}
            at = {}


def _parts(at: dict[str, float]) -> dict[str, float] | None:
    if not {"fault", "issue", "call"} <= at.keys():
        return None
    return {"entry, charge, a frame": at["issue"] - at["fault"] - at["reclaim"],
            "reclaim, with the sending of what is written out": at["reclaim"],
            "block layer, map": at["call"] - at["issue"],
            "the call: sending, wire, donor, receiving": at["answer"] - at["call"],
            "checksum, end of the request": at["done"] - at["answer"],
            "wake-up": at["runs"] - at["done"]}


def donor_us(text: str) -> float:
    """From a packet in to the next page out, median."""
    came, found = None, []
    for _, seconds, event, _ in LINE.findall(text):
        if event == "netif_receive_skb":
            came = float(seconds) * 1e6
        elif came is not None:
            found.append(float(seconds) * 1e6 - came)
            came = None
    if not found:
        raise NotTaken("the donor's tracepoints told of no page")
    return median(found)
