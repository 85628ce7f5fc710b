# SPDX-License-Identifier: GPL-2.0-or-later
"""A node dies: how long it counts as alive.

Measured: seconds from SIGKILL of the daemon of a node that is not the controller until its death stands in the log
of another one. Shipped defaults.
Not measured: the same of the controller, which is told by its successor. Real daemons on one host, each in a
network namespace of its own.
"""

import time

from benchkit.figure import Figure, Samples
from benchkit.host import Host, daemons, until

HOST = True
LIMIT_S = 2.0
SLACK_S = 0.1  # of the question, asked again and again
FIGURE = Figure("control.node_failure", "s", 1.0, "a limit of 2 s, and 0.1 s to see it (Incus: 20 s)", is_cost=True)


def measure(host: Host) -> Samples:
    taken = []
    with host.cluster(3) as nodes:
        for number in range(host.rounds):
            until("all are alive, and agree on a controller", lambda: all(
                n.controller() == nodes[0].controller() and n.cluster().get("lease") and
                all(row["state"] == "live" for row in n.rows().values()) for n in nodes))
            time.sleep(2)  # they are at rest
            victim = next(n for n in nodes if n.id != n.controller())
            other = next(n for n in nodes if n is not victim)
            last = max(event["id"] for event in other.events())
            began = time.monotonic()
            victim.kill()
            daemons().wait("it is told dead", lambda: any(
                event["id"] > last and event["kind"] == "node-dead" and event["node"] == victim.id
                for event in other.must("decision.list", after=last)["decisions"]), 20)
            taken.append(time.monotonic() - began)
            host.say(f"node failure round {number + 1}/{host.rounds}  {taken[-1]:.2f} s")
            victim.start()
    return host.against(LIMIT_S + SLACK_S, taken)
