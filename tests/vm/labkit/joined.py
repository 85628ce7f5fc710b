# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that are a cluster of hyperchain: they joined by a token, and reach each other through hc0 only."""

import json

from .cluster import LONG_S, Cluster
from .node import Node


class Joined(Cluster):
    """As Cluster, but the nodes know nothing of each other before they join."""

    def configure(self, node: Node) -> None:
        text = f"[node]\nname = {node.name}\naddress = {node.ip}\nconns = {self._conns}\n"
        if node.number in self._donate:
            text += f"donate = {self._donate[node.number]}\nreserve = {self._reserve}\n"
        node.write("/etc/hyperchain/hyperchain.conf", text)

    def wait_live(self, nodes=None, timeout: float = LONG_S) -> None:
        first, *others = self.lab.nodes
        if not self.members():
            first.run("hyperchain cluster init lab", LONG_S)
            for node in others:
                token = first.output("hyperchain node token").strip()
                node.run(f"hyperchain node join {token}", LONG_S)
            self.say("all have joined")
        super().wait_live(nodes, timeout)

    def has_daemon(self, node: Node) -> bool:
        return node.run("hyperchain node list", check=False).status == 0

    def members(self) -> int:
        shown = self.lab.node(1).run("hyperchain cluster show --json", check=False)
        return 0 if shown.status else json.loads(shown.stdout)["cluster"]["nodes"]
