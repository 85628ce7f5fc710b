# SPDX-License-Identifier: GPL-2.0-or-later
"""Random clusters: invariants of every run, single rules against the models, and the great one."""
import json
import random
import time

from simkit import invariants, models, states
from simkit.scenario import permuted
from simkit.simulator import Failed, Run, check, parse, save, told

LARGE_LIMIT = 300       # seconds; GOALS.md has the speed, this only finds a run without end


def repeated(runs, seed, one):
    """Calls one(order, seed of that run) so often; a failure tells the seed that repeats it, and the file."""
    for number in range(runs):
        own = seed + number
        try:
            one(random.Random(own))
        except Failed as failed:
            raise Failed(f"{failed}\n     again: --seed {own} --runs 1, see build/simulate/random.json") from failed


def invariant(order):
    state = states.happen(order, states.cluster(order), order.randint(1, 40))
    path = save("random", state)
    decisions = parse(Run([path]))
    invariants.follow(state, decisions)
    other = parse(Run([save("random.permuted", permuted(state, order.random()))]))
    check([told(one) for one in other] == [told(one) for one in decisions], "other decisions with the arrays permuted")
    verbose = parse(Run(["--verbose", path]))
    check([one for one in verbose if one["action"] != "keep"] == decisions, "--verbose decides otherwise")


def settles(order):
    """Loads that do not change: R10 comes to rest, nothing goes to and fro."""
    state = environment(order, {"leader_max": 2, "node_max": 2})
    state["events"] = [{"at": 31 * number, "do": "tick"} for number in range(120)]
    decisions = parse(Run([save("random", state)]))
    late = [one for one in decisions if one["at"] > 31 * 80]
    check(not late, f"still moving after 80 checks: {told(late[0])}" if late else "")


def environment(order, config):
    """One user on all of a few nodes, everything known."""
    count = order.randint(1, 6)
    state = {"config": dict(config, spare_lend=2), "nodes": [], "users": [], "processes": [], "views": [], "events": []}
    for number in range(1, count + 1):
        one = states.node(order, number, calm=True)
        one["load"] = states.hundredth(order)
        if order.random() < 0.08:
            del one["load"]
        state["nodes"].append(one)
    numbers = list(range(1, count + 1))
    user = {"name": "A", "nodes": numbers, "leader": order.choice(numbers)}
    state["users"].append(user)
    pid = 0
    for number in numbers:
        room = round(100 * state["nodes"][number - 1].get("load", 1))
        for _ in range(order.randint(0, 6)):
            weight = min(order.choice((2, 5, 10, 15, 20, order.randint(1, 30))), room)
            if weight < 1:
                break
            room -= weight
            pid += 1
            state["processes"].append({"pid": pid, "user": "A", "node": number, "kind": "service", "load": weight / 100,
                                       "avg": weight / 100, "restricted": order.random() < 0.15})
    return state


def models_say(state, rule, rest):
    """What the readings of a model say about the ticks of a state: the common answer, or None."""
    answers = []
    for reading in models.READINGS[rule]:
        cluster = models.Cluster(state, state["users"][0])
        for event in state["events"]:
            if event["do"] == "tick":
                rule(cluster, rest, event["at"], reading)
        if cluster.said not in answers:
            answers.append(cluster.said)
    return answers[0] if len(answers) == 1 else None


def real(decisions):
    said = []
    for one in decisions:
        if one["action"] == "migrate":
            said.append((one["at"], one["rule"], one["pid"], one["from"], one["to"]))
        elif one["action"] == "leader":
            said.append((one["at"], "R11", "leader", one["from"], one["to"]))
        elif one["action"] == "spare_set":
            said.append((one["at"], "R12", "spare", one["node"], 0))
    return said


class Against:
    """A rule against its model, and how many states decided something."""

    def __init__(self, rule, config, is_fit=lambda state: True, ticks=(0,)):
        self.rule, self.config, self.is_fit, self.ticks = rule, config, is_fit, ticks
        self.passed_over = self.busy = 0

    def __call__(self, order):
        config = dict(self.config)
        for key in [key for key in config if isinstance(config[key], tuple)]:
            config[key] = order.choice(config[key])
        state = environment(order, config)
        state["events"] = [{"at": at, "do": "tick"} for at in self.ticks]
        wanted = models_say(state, self.rule, config) if self.is_fit(state) else None
        if wanted is None:
            self.passed_over += 1
            return
        self.busy += bool(wanted)
        got = real(parse(Run([save("random", state)])))
        if self.rule is models.overload:            # whether the spare or its processes come first is not decided
            wanted, got = sorted(wanted, key=str), sorted(got, key=str)
        check(got == wanted, f"the model says {wanted}\n     got            {got}")

    def enough(self, runs):
        check(runs < 50 or self.busy * 20 > runs, f"of {runs} states only {self.busy} decided something, {self.passed_over} passed over")


def leader_is_well(state):
    """R12's model leaves a full leader's own node to the scenarios."""
    own = state["users"][0]["leader"]
    return state["nodes"][own - 1].get("load", 0) < 0.5 and all(one["load"] > 0 for one in state["processes"])


def candidates(order):
    state = states.cluster(order)
    used = ("candidate_max", "node_users", "base_units")
    state["config"] = {key: value for key, value in state["config"].items() if key in used}
    if order.random() < 0.3:
        state["config"]["node_units"] = order.randint(20, 150)
    units = order.randint(1, 200)
    state["events"] = [{"at": 0, "do": "candidates", "user": "new"}, {"at": 1, "do": "request", "user": "new", "units": units}]
    able = models.candidates(state)
    decisions = parse(Run([save("random", state)]))
    listed = next(one for one in decisions if one["action"] == "candidates")
    wanted = sorted(one[2] for one in able)
    check(sorted(listed["nodes"]) == wanted, f"R14: the model says {wanted}, got {listed['nodes']}")
    count = -(-units // state["config"].get("base_units", 30))
    answer = next(one for one in decisions if one["action"] in ("allocate", "refuse"))
    if count > len(able):
        check(answer["action"] == "refuse" and answer["missing"] == count - len(able),
              f"R15: missing are {count - len(able)}, got {told(answer)}")
    else:
        wanted = sorted(one[2] for one in sorted(able)[:count])
        check(answer["action"] == "allocate" and sorted(answer["nodes"]) == wanted,
              f"R15: the model says {wanted}, got {told(answer)}")


def idle(order):
    count = order.randint(2, 8)
    state = {"config": {"spare_idle": order.choice((0.1, 0.2, 0.3))}, "nodes": [], "users": [], "processes": [],
             "views": [], "events": [{"at": 0, "do": "idle"}]}
    for number in range(1, count + 1):
        one = states.node(order, number, calm=True)
        one["avg"] = states.hundredth(order, 0, 40)
        state["nodes"].append(one)
    busy = [one["id"] for one in state["nodes"] if one["avg"] > state["config"]["spare_idle"]]
    pid = 0
    for name in order.sample(["A", "B", "C"], order.randint(0, 3)) if busy else []:
        nodes = sorted(set(order.sample(range(1, count + 1), order.randint(1, count))) | {order.choice(busy)})
        leader = order.choice([number for number in nodes if number in busy])
        state["users"].append({"name": name, "nodes": nodes, "leader": leader, "units": order.randint(1, 30 * len(nodes))})
        for _ in range(order.randint(0, 5)):
            pid += 1
            state["processes"].append({"pid": pid, "user": name, "node": order.choice(nodes), "kind": "service",
                                       "load": 0.02, "avg": 0.02, "restricted": order.random() < 0.1})
    gone, moves = models.idle(state)
    decisions = parse(Run([save("random", state)]))
    spares = [one["node"] for one in decisions if one["action"] == "spare_set"]
    check(spares == gone, f"R7: the model says {gone}, got {spares}")
    got = {(one["pid"], one["from"], one["to"]) for one in decisions if one["action"] == "migrate"}
    check(got == moves, f"R7: the model says {sorted(moves)}, got {sorted(got)}")


def large():
    order = random.Random(10000)
    state = states.large(order)
    path = save("large", state)
    began = time.monotonic()
    decisions = parse(Run([path], LARGE_LIMIT))
    took = time.monotonic() - began
    invariants.follow(state, decisions)
    rules = {one["rule"] for one in decisions}
    check({"R10", "R15", "R8"} <= rules, f"rules that decided something: {sorted(rules)}")
    print(f"     10,000 nodes, 100,000 processes: {len(decisions)} decisions in {took:.1f} s")


def summary_counts(order):
    """--summary: one object, and the counts per rule are those of the decisions."""
    state = states.happen(order, states.cluster(order), 20)
    path = save("random", state)
    decisions = parse(Run([path]))
    run = Run(["--summary", path])
    check(run.code == 0, f"exit status {run.code}: {run.err}")
    text = json.dumps(json.loads(run.out))
    counts = {}
    for one in decisions:
        counts[one["rule"]] = counts.get(one["rule"], 0) + 1
    for rule, count in counts.items():
        check(f'"{rule}": {count}' in text or f'"{rule}": {{"decisions": {count}' in text,
              f"{rule} decided {count} times: {text[:600]}")


def tests(seed, runs):
    off, calm = {"leader_max": 2, "node_max": 2}, {"balance_gap": 2, "balance_high": 2}
    against = {
        "random_R10_gap_against_model":
            Against(models.balance, dict(off, balance_high=2, balance_gap=(0.1, 0.2, 0.3), move_cost=(0, 0.05, 0.1))),
        "random_R10_high_against_model":
            Against(models.balance, dict(off, balance_gap=2, balance_high=(0.5, 0.8), move_cost=(0, 0.05, 0.1)),
                    ticks=(0, 10, 40, 50)),
        "random_R10_both_against_model": Against(models.balance, off, ticks=(0, 10, 40)),
        "random_R11_against_model": Against(models.leader, dict(calm, node_max=2, leader_max=(0.3, 0.5, 0.85))),
        "random_R12_against_model": Against(models.overload, dict(calm, leader_max=2, node_max=(0.6, 0.8, 0.95)), leader_is_well),
    }
    yield "random_invariants", lambda: repeated(runs, seed, invariant)
    for name, model in against.items():
        yield name, lambda model=model: (repeated(runs, seed, model), model.enough(runs))
    yield "random_R10_settles", lambda: repeated(max(1, runs // 10), seed, settles)
    yield "random_R14_R15_against_model", lambda: repeated(runs, seed, candidates)
    yield "random_R07_against_model", lambda: repeated(runs, seed, idle)
    yield "random_summary_counts", lambda: repeated(max(1, runs // 10), seed, summary_counts)
    yield "large", large
