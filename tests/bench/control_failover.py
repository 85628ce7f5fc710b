# SPDX-License-Identifier: GPL-2.0-or-later
"""The controller dies: how long nobody decides.

Measured: seconds from SIGKILL of the daemon that is the controller of three until another one has
taken a decision and a survivor confirms it (`config set`, asked again until it succeeds). Shipped defaults.
Not measured: a machine that falls silent without its connections ending, which takes an election timeout as
well; a network with delay. Real daemons on one host, each in a network namespace of its own.
"""

import time

from benchkit.figure import Figure, Samples
from benchkit.host import Host, until

HOST = True
LIMIT_S = 1.5
FIGURE = Figure("control.failover", "s", 1.0, "a limit of 1.5 s (etcd 1.8 s, corosync 7.9 s, measured before)", is_cost=True)


def measure(host: Host) -> Samples:
    taken = []
    with host.cluster(3) as nodes:
        for number in range(host.rounds):
            until("all agree on a controller", lambda: len({n.controller() for n in nodes}) == 1 and nodes[0].controller()
                  and all(n.cluster().get("lease") for n in nodes))
            time.sleep(2)  # they are at rest
            victim = next(n for n in nodes if n.id == nodes[0].controller())
            other = next(n for n in nodes if n is not victim)
            value = str(60 + number)
            began = time.monotonic()
            victim.kill()
            until("a decision is taken", lambda: _decides(other, value))
            taken.append(time.monotonic() - began)
            host.say(f"failover round {number + 1}/{host.rounds}  {taken[-1]:.2f} s")
            victim.start()
    return host.against(LIMIT_S, taken)


def _decides(node, value: str) -> bool:
    return node.ask("config.set", key="move_rest", value=value)["ok"]
