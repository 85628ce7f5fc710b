# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows the decisions of a run, event by event, and checks what must hold whatever was decided.
Every event of the state has a time of its own, so each decision belongs to one event."""
import collections
import math

from simkit.simulator import check, told


class Cluster:
    """What is known of the cluster from the input and from the decisions read so far."""

    def __init__(self, state):
        self.base_units = state["config"].get("base_units", 30)
        self.nodes = {one["id"]: one.get("state", "active") for one in state["nodes"]}
        self.kind = {}              # spares: idle or shared ("spare"), overload
        for number, how in self.nodes.items():
            if how == "spare":
                self.kind[number] = "spare"
        self.held, self.promise, self.leader = {}, {}, {}
        self.lent = collections.defaultdict(set)    # the admin's environment may borrow, too
        for one in state["users"]:
            name = one["name"]
            self.held[name] = set(one["nodes"])
            self.leader[name] = one.get("leader", min(one["nodes"]))
            if "units" in one:
                self.promise[name] = math.ceil(one["units"] / self.base_units)
            else:
                self.promise[name] = len(one["nodes"])
        self.where, self.user, self.restricted, self.system = {}, {}, {}, set()
        for one in state["processes"]:
            self.process(one)
        self.ticked = {one["name"]: set(one.get("active", one["nodes"])) for one in state["users"]}
        self.units = {}
        self.stood_in = {}          # failed node: its spare
        self.event = None
        self.moved = set()
        self.fewest = {}

    def process(self, one):
        pid = one["pid"]
        self.user[pid] = one.get("user", self.user.get(pid))
        self.restricted[pid] = one.get("restricted", self.restricted.get(pid, False))
        if "node" in one:
            self.where[pid] = one["node"]
        if one.get("kind") == "system":
            self.system.add(pid)

    def alive(self, number):
        return self.nodes.get(number) not in (None, "failed")

    def allowed(self, name):
        if name == "admin":
            return set(self.nodes)
        return self.held.get(name, set()) | self.lent[name]

    def begin(self, event):
        self.event, self.moved = event, set()
        do = event["do"]
        if do == "fail":
            self.nodes[event["node"]] = "failed"
        elif do == "recover":
            self.nodes[event["node"]] = "active"
        elif do == "join":
            self.nodes[event["node"]["id"]] = "active"
        elif do == "process":
            self.process(event)
        elif do == "exit":
            self.where.pop(event["pid"], None)
        self.fewest = {name: min(len(self.living(name)), self.promise[name]) for name in self.promise}

    def is_for_users(self, number):
        return self.kind.get(number) in (None, "taken")

    def living(self, name):
        return {number for number in self.held.get(name, ()) if self.alive(number)}

    def end(self):
        do = self.event["do"]
        if do in ("idle", "consolidate", "spare"):
            for name, least in self.fewest.items():
                check(len(self.living(name)) >= least,
                      f"{do} at {self.event['at']}: {name} has {len(self.living(name))} living nodes, "
                      f"promised are {self.promise[name]}")
        for name, leader in self.leader.items():
            if leader in self.kind and self.kind[leader] != "taken":
                check(name == "admin" or not any(self.alive(one) and self.is_for_users(one) for one in self.ticked[name]),
                      f"{do} at {self.event['at']}: node {leader}, a spare, leads {name}")

    def migrate(self, one):
        pid, source, target = one["pid"], one["from"], one["to"]
        check(pid in self.where, f"a process that is not there: {told(one)}")
        check(self.where[pid] == source, f"{pid} is on node {self.where[pid]}: {told(one)}")
        check(source != target, f"nowhere: {told(one)}")
        check(self.alive(target), f"to a node that is not alive: {told(one)}")
        check(pid not in self.moved, f"a second move in one check: {told(one)}")
        check(pid not in self.system or not self.alive(source), f"a system process moved by {one['rule']}: {told(one)}")
        check(not self.restricted[pid] or not self.alive(source) or one["rule"] == "R8",
              f"a restricted process off a living node: {told(one)}")
        check(target in self.allowed(self.user[pid]), f"outside the nodes of {self.user[pid]}: {told(one)}")
        if self.user[pid] != "admin" and target not in self.lent[self.user[pid]]:
            spare = self.kind.get(target)
            check(spare in (None, "taken") or (spare == "overload" and one["rule"] in ("R12", "R8")),
                  f"to a spare: {told(one)}")
        self.moved.add(pid)
        self.where[pid] = target

    def follow(self, one):
        action, name = one["action"], one.get("user")
        if action == "migrate":
            self.migrate(one)
        elif action == "place":
            check(one["pid"] in self.user and self.alive(one["node"]), f"{told(one)}")
            if one["pid"] not in self.system:
                check(one["node"] in self.allowed(self.user[one["pid"]]),
                      f"outside the nodes of {self.user[one['pid']]}: {told(one)}")
            self.where[one["pid"]] = one["node"]
        elif action == "leader":
            check(self.alive(one["to"]), f"a dead leader: {told(one)}")
            check(one["to"] in self.held.get(name, set()) or name == "admin",
                  f"leader outside the nodes of {name}: {told(one)}")
            check(one["to"] not in self.lent[name], f"a lent node leads: {told(one)}")
            self.leader[name] = one["to"]
        elif action in ("allocate", "resize"):
            self.hold(one)
        elif action == "free":
            self.held.get(name, set()).discard(one["node"])
        elif action == "spare_set":
            kind = one.get("kind", "overload" if one["rule"] == "R12" else "spare")
            self.kind[one["node"]] = "overload" if kind == "overload" else "spare"
            check(self.alive(one["node"]), f"a dead spare: {told(one)}")
            if kind != "overload":
                for held in self.held.values():
                    held.discard(one["node"])
        elif action == "spare_unset":
            self.kind.pop(one["node"], None)
        elif action == "spare_lend":
            check(self.alive(one["node"]) and self.kind.get(one["node"]) == "spare", f"no spare: {told(one)}")
            check(one["node"] not in self.lent[name], f"lent twice: {told(one)}")
            self.lent[name].add(one["node"])
        elif action == "spare_return":
            check(one["node"] in self.lent[name], f"was not lent: {told(one)}")
            self.lent[name].discard(one["node"])
        elif action == "takeover":
            self.takeover(one)
        elif action == "restore":
            self.restore(one)
        elif action in ("candidates", "view", "select", "environment"):
            self.listed(one)
        elif action in ("copy_start", "copy_stop"):
            check(action == "copy_stop" or self.alive(one["node"]), f"{told(one)}")

    def listed(self, one):
        numbers = one["nodes"]
        check(len(set(numbers)) == len(numbers), f"a node twice: {told(one)}")
        check(set(numbers) <= set(self.nodes), f"unknown nodes: {told(one)}")
        if one["action"] == "candidates":
            check(all(self.nodes[number] not in ("failed", "drained") and self.is_for_users(number) for number in numbers),
                  f"not for users: {told(one)}")
        if one["action"] == "select":
            check(numbers and set(numbers) <= self.held[one["user"]], f"not allocated: {told(one)}")
            self.ticked[one["user"]] = set(numbers)

    def hold(self, one):
        name, numbers = one["user"], set(one["nodes"])
        check(len(numbers) == len(one["nodes"]), f"a node twice: {told(one)}")
        fresh = numbers - self.held.get(name, set())
        check(all(self.alive(number) and self.is_for_users(number) for number in fresh), f"not for users: {told(one)}")
        if one["action"] == "resize":
            check(one["to"] == len(numbers), f"miscounted: {told(one)}")
        self.ticked[name] = self.ticked.get(name, set()) & numbers | fresh
        # A spare that stands in for one of them is named by none of these decisions.
        self.held[name] = numbers | {spare for failed, spare in self.stood_in.items() if spare and failed in numbers}
        do = self.event["do"]
        if do == "request" and self.event["user"] == name:
            self.promise[name] = math.ceil(self.event["units"] / self.base_units)
            check(len(numbers) >= self.promise[name], f"fewer nodes than asked for: {told(one)}")
        elif do == "pick":
            self.promise.pop(name, None)        # what a pick promises is not decided
        elif do == "review":
            self.promise[name] = len(numbers)

    def takeover(self, one):
        check(not self.alive(one["node"]), f"node {one['node']} is alive: {told(one)}")
        spare = one["spare"]
        # One that stood in itself was a spare, and is one when it comes back; its role goes on to the next.
        role = next((failed for failed, stands in self.stood_in.items() if stands == one["node"]), one["node"])
        self.stood_in[role] = spare
        if role != one["node"]:
            self.kind[one["node"]] = "spare"
        if spare:
            check(self.alive(spare) and self.kind.get(spare) == "spare", f"no spare: {told(one)}")
            check(not any(spare in lent for lent in self.lent.values()), f"the spare is lent: {told(one)}")
            self.kind[spare] = "taken"
            # Its whole role: it may have been lent itself.
            for nodes in (*self.held.values(), *self.lent.values()):
                if one["node"] in nodes:
                    nodes.add(spare)
        # A loan ends with its node, and so does standing in.
        for nodes in (*self.lent.values(), *(self.held.values() if role != one["node"] else ())):
            nodes.discard(one["node"])

    def restore(self, one):
        check(self.alive(one["node"]), f"{told(one)}")
        spare = self.stood_in.pop(one["node"], 0)
        check(one["spare"] in (spare, 0), f"not the spare that took over ({spare}): {told(one)}")
        if one["spare"] and one["policy"] == "return":
            self.kind[spare] = "spare"
            for nodes in (*self.held.values(), *self.lent.values()):
                nodes.discard(spare)
        elif one["spare"]:
            self.kind.pop(spare, None)
            self.kind[one["node"]] = "spare"
            for held in self.held.values():
                held.discard(one["node"])


def follow(state, decisions):
    """Checks all decisions against the events they belong to."""
    cluster = Cluster(state)
    left = list(decisions)
    for event in state["events"]:
        cluster.begin(event)
        while left and left[0]["at"] == event["at"]:
            cluster.follow(left.pop(0))
        cluster.end()
    check(not left, f"at a time without an event: {told(left[0])}" if left else "")
    return cluster
