# SPDX-License-Identifier: GPL-2.0-or-later
"""Small reference models of single rules, written from SPEC.md alone and computing with fractions.

Where the text can be read in two ways a model takes the reading as an argument; a random state on
which the readings differ decides nothing and is passed over (the runner says how many were).
"""
import itertools
from fractions import Fraction


def exact(number):
    return None if number is None else Fraction(str(number))


class Cluster:
    """Loads and places of one environment's processes on its active nodes."""

    def __init__(self, state, user):
        most_cpus = max(one["cpus"] for one in state["nodes"])
        most_memory = max(one["memory_gib"] for one in state["nodes"])
        self.capacity = {one["id"]: min(Fraction(one["cpus"], most_cpus), Fraction(one["memory_gib"], most_memory))
                         for one in state["nodes"]}
        self.load = {one["id"]: exact(one.get("load")) for one in state["nodes"]}
        self.average = {one["id"]: exact(one["avg"]) for one in state["nodes"]}
        self.active = sorted(user.get("active", user["nodes"]))
        self.leader = user.get("leader", min(user["nodes"]))
        self.where = {one["pid"]: one["node"] for one in state["processes"]}
        self.weight = {one["pid"]: exact(one["load"]) for one in state["processes"]}
        self.restricted = {one["pid"] for one in state["processes"] if one["restricted"]}
        self.moved = {}         # pid: when
        self.said = []

    def on(self, number):
        return [pid for pid, where in sorted(self.where.items()) if where == number]

    def heaviest(self, pids):
        return sorted(pids, key=lambda pid: (-self.weight[pid], pid))

    def movable(self, number):
        return [pid for pid in self.on(number) if pid not in self.restricted]

    def service(self, number):
        return sum(self.weight[pid] for pid in self.on(number))

    def there(self, pid, target):
        """The load of a process as a fraction of another node."""
        return self.weight[pid] * self.capacity[self.where[pid]] / self.capacity[target]

    def least_loaded(self, numbers):
        known = [number for number in numbers if self.load[number] is not None]
        return min(known, key=lambda number: (self.load[number], number), default=None)

    def move(self, pid, target, now, rule):
        source, weight = self.where[pid], self.there(pid, target)
        if self.load[source] is not None:
            self.load[source] = max(Fraction(0), self.load[source] - self.weight[pid])
        self.load[target] += weight
        self.weight[pid] = weight
        self.where[pid] = target
        self.moved[pid] = now
        self.said.append((now, rule, pid, source, target))


def balance(cluster, config, now, reading):
    """R10 (a) and (b). The readings: is the least service load that ends the excess counted before or
    after the move; may the least loaded node be the source itself; are nodes put in order once or anew.
    A node that was not in excess when its turn came is looked at again: a move may have lowered the least."""
    after, others, anew = reading
    defaults = (("balance_gap", "0.3"), ("balance_high", "0.8"), ("move_cost", "0.05"), ("move_rest", "30"))
    gap, high, cost, rest = (exact(config.get(key, default)) for key, default in defaults)

    def excess(number, service, least, load):
        return service - least > gap or (load is not None and load > high)

    def is_full(number):
        least = min(cluster.service(one) for one in cluster.active)
        return excess(number, cluster.service(number), least, cluster.load[number])

    def step(number):
        target = cluster.least_loaded([one for one in cluster.active if not others or one != number])
        if target is None or target == number or cluster.load[number] is None:
            return False
        old = max(cluster.load[number], cluster.load[target])
        ends, helps = [], []
        for pid in cluster.movable(number):
            if pid in cluster.moved and now - cluster.moved[pid] < rest:
                continue
            weight, there = cluster.weight[pid], cluster.there(pid, target)
            left = max(Fraction(0), cluster.load[number] - weight)
            if old - max(left, cluster.load[target] + there) <= cost:
                continue
            services = {one: cluster.service(one) for one in cluster.active}
            if after:
                services[number] -= weight
                services[target] += there
            ended = not excess(number, cluster.service(number) - weight, min(services.values()), left)
            (ends if ended else helps).append(pid)
        if ends:
            cluster.move(min(ends, key=lambda pid: (cluster.weight[pid], pid)), target, now, "R10")
        elif helps:
            cluster.move(cluster.heaviest(helps)[0], target, now, "R10")
        return bool(ends or helps)

    def falling():
        known = [one for one in cluster.active if cluster.load[one] is not None]
        return sorted(known, key=lambda one: (-cluster.load[one], one))

    done = set()

    def relieve(number):
        while is_full(number):
            done.add(number)
            if not step(number):
                return

    while True:
        seen = set()
        order = [one for one in falling() if one not in done]
        while order:
            relieve(order[0])
            seen.add(order[0])
            order = [one for one in (falling() if anew else order) if one not in done | seen]
        if not any(is_full(one) for one in falling() if one not in done):
            return


def leader(cluster, config, now, _):
    """R11"""
    most = exact(config.get("leader_max", "0.85"))
    below = exact(config.get("leader_next_max", config.get("leader_max", "0.85")))
    own = cluster.leader
    if cluster.load[own] is None or cluster.load[own] < most:
        return
    movable, restricted = cluster.movable(own), [pid for pid in cluster.on(own) if pid in cluster.restricted]
    if movable and len(movable) >= len(restricted):
        for pid in cluster.heaviest(movable):
            target = cluster.least_loaded([one for one in cluster.active if one != own])
            if target is not None and cluster.load[target] + cluster.there(pid, target) < most:
                cluster.move(pid, target, now, "R11")
        return
    able = [one for one in cluster.active if one != own and cluster.load[one] is not None and cluster.load[one] < below]
    if able:
        new = min(able, key=lambda one: (cluster.average[one], one))
        cluster.said.append((now, "R11", "leader", own, new))
        cluster.leader = new


def overload(cluster, config, now, _):
    """R12, the first time: the worst node becomes a spare. The leader's own node is left to the scenarios."""
    most = exact(config.get("node_max", "0.95"))
    full = [one for one in cluster.active if cluster.load[one] is not None and cluster.load[one] >= most]
    if not full or len(cluster.active) < 2:
        return
    worst = min(full, key=lambda one: (-cluster.load[one], one))
    others = [one for one in cluster.active if one != worst]
    cluster.said.append((now, "R12", "spare", worst, 0))
    for pid in cluster.heaviest(cluster.movable(worst)):
        target = cluster.least_loaded(others)
        if target is not None:
            cluster.move(pid, target, now, "R12")


READINGS = {balance: list(itertools.product((True, False), repeat=3)), leader: [None], overload: [None]}


def candidates(state):
    """R14, for a user who holds nothing: the ids"""
    config = state["config"]
    most, users = exact(config.get("candidate_max", "0.8")), config.get("node_users", 4)
    holding = {one["id"]: sum(one["id"] in user["nodes"] for user in state["users"]) for one in state["nodes"]}
    base = exact(config.get("base_units", 30))
    units = exact(config["node_units"]) if "node_units" in config else users * base
    able = []
    for one in state["nodes"]:
        average = one.get("avg")
        average = average.get("day") if isinstance(average, dict) else average
        count = holding[one["id"]]
        if one.get("state", "active") != "active" or average is None or exact(average) >= most:
            continue
        if count < users and units - count * base >= base:
            able.append((count, exact(average), one["id"]))
    return able


def idle(state):
    """R7 where no leader is concerned: the nodes that become spares, and the moves of their processes."""
    limit, base = exact(state["config"].get("spare_idle", "0.1")), state["config"].get("base_units", 30)
    average = {one["id"]: exact(one["avg"]) for one in state["nodes"]}
    held = {user["name"]: set(user["nodes"]) for user in state["users"]}
    promise = {user["name"]: -(-user["units"] // base) for user in state["users"]}
    gone = []
    for number in sorted(average, key=lambda one: (average[one], one)):
        users = [name for name in held if number in held[name]]
        if average[number] > limit or any(len(held[name]) - 1 < max(1, promise[name]) for name in users):
            continue
        if any(one["node"] == number and one["restricted"] for one in state["processes"]):
            continue
        if len(gone) + 1 == len(average):
            continue
        gone.append(number)
        for name in users:
            held[name].discard(number)
    moves = set()
    for one in state["processes"]:
        if one["node"] in gone:
            moves.add((one["pid"], one["node"], min(held[one["user"]], key=lambda number: (average[number], number))))
    return gone, moves
