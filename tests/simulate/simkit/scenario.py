# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenario files: their short forms, filled up to what `hyperchain simulate` reads, and the
comparison of expected with real decisions. README.md beside `run` describes both."""
import copy
import json
import random

from simkit.simulator import Failed, Run, check, parse, save, simulate, told

# What a rule may add to any decision without being asked; a scenario names others with `maybe`.
ALWAYS_MAYBE = ["* * alert"]


def value_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def fields_of(words):
    fields = {}
    for word in words:
        key, _, value = word.partition("=")
        fields[key] = value_of(value)
    return fields


def node_of(short):
    """[id, load, avg, more]: load null is unknown, avg left out is the load"""
    node = {}
    if isinstance(short, list):
        node["id"] = short[0]
        if short[1] is not None:
            node["load"] = short[1]
        avg = short[2] if len(short) > 2 else short[1]
        if avg is not None:
            node["avg"] = avg
        if len(short) > 3:
            node.update(short[3])
    else:
        node.update(short)
    return {"id": node["id"], "name": f"n{node['id']}", "cpus": 4, "memory_gib": 8, "storage_gib": 100,
            **node}


def process_of(short):
    """[pid, user, node, load, "r"]: load null is unknown; "r": restricted; the average is the load"""
    if not isinstance(short, list):
        return dict(short)
    process = {"pid": short[0], "user": short[1], "node": short[2], "kind": "service"}
    if short[3] is not None:
        process["load"] = process["avg"] = short[3]
    process["restricted"] = len(short) > 4 and short[4] == "r"
    return process


def user_of(short):
    """"A 1,2 leader=1 units=60" """
    if not isinstance(short, str):
        return dict(short)
    words = short.split()
    user = {"name": words[0]}
    if len(words) > 1 and "=" not in words[1]:
        user["nodes"] = [int(number) for number in words.pop(1).split(",")]
    user.update(fields_of(words[1:]))
    return user


def event_of(short):
    """"5 load node=2 load=0.5" """
    if not isinstance(short, str):
        event = dict(short)
    else:
        words = short.split()
        event = {"at": value_of(words[0]), "do": words[1], **fields_of(words[2:])}
    if event["do"] == "join":
        event["node"] = node_of(event["node"])
    return event


def fill(state, config):
    """The input that a scenario's short form stands for."""
    filled = {"config": {**config, **state.get("config", {})},
              "nodes": [node_of(node) for node in state["nodes"]],
              "users": [user_of(user) for user in state.get("users", [])],
              "processes": [process_of(process) for process in state.get("processes", [])],
              "views": copy.deepcopy(state.get("views", [])),
              "events": [event_of(event) for event in state.get("events", ["0 tick"])]}
    unknown = set(state) - set(filled)
    if unknown:
        raise Failed(f"the scenario's input has {sorted(unknown)}")
    return filled


def permuted(state, seed):
    """The same state with its arrays in another order: no decision may depend on it."""
    order = random.Random(seed)
    other = copy.deepcopy(state)
    for key in ("nodes", "users", "processes", "views"):
        order.shuffle(other[key])
    for user in other["users"]:
        for key in ("nodes", "active"):
            if key in user:
                order.shuffle(user[key])
    for view in other["views"]:
        order.shuffle(view.get("main", []))
    for event in other["events"]:
        if isinstance(event.get("nodes"), list):
            order.shuffle(event["nodes"])
    return other


class Pattern:
    """"0 R10 migrate pid=1 to=2|3": * is any, | is or; fields not named are not looked at"""

    def __init__(self, text):
        words = text.split()
        self.text = text
        self.head = [set(word.split("|")) for word in words[:3]]
        self.fields = {}
        for word in words[3:]:
            key, _, value = word.partition("=")
            self.fields[key] = [self.plain(value_of(one)) for one in value.split("|")]

    @staticmethod
    def plain(value):
        return sorted(value) if isinstance(value, list) else value

    def matches(self, decision):
        has = (f"{decision['at']:g}", decision["rule"], decision["action"])
        return (all("*" in allowed or word in allowed for allowed, word in zip(self.head, has)) and
                all(key in decision and self.plain(decision[key]) in allowed
                    for key, allowed in self.fields.items()))


def compare(expect, maybe, never, decisions):
    """None when the decisions are those expected, else what differs. A list in `expect` is in any order."""
    groups = [[Pattern(one) for one in (item if isinstance(item, list) else [item])] for item in expect]
    may = [Pattern(one) for one in maybe]
    for decision in decisions:
        for pattern in (Pattern(one) for one in never):
            if pattern.matches(decision):
                return f"never wanted ({pattern.text}): {told(decision)}"
        while groups and not groups[0]:
            groups.pop(0)
        found = next((one for one in groups[0] if one.matches(decision)), None) if groups else None
        if found:
            groups[0].remove(found)
        elif not any(pattern.matches(decision) for pattern in may):
            wanted = " or ".join(one.text for one in groups[0]) if groups else "nothing more"
            return f"got  {told(decision)}\n     want {wanted}"
    left = [one.text for group in groups for one in group]
    return f"missing: {'; '.join(left)}" if left else None


class Scenario:
    """One entry of a scenario file."""

    KEYS = {"name", "spec", "note", "input", "expect", "maybe", "never", "alerts"}

    def __init__(self, entry, head):
        unknown = set(entry) - self.KEYS
        if unknown or not entry.get("spec"):
            raise Failed(f"scenario {entry.get('name')}: keys {sorted(unknown)}, or no quotation")
        self.name = entry["name"]
        spec = entry["spec"]
        self.quotes = spec if isinstance(spec, list) else [spec]
        self.entry = entry
        self.state = fill(entry["input"], head.get("config", {}))

    def judge(self, decisions):
        entry = self.entry
        maybe = entry.get("maybe", []) + ([] if entry.get("alerts") == "exact" else ALWAYS_MAYBE)
        if entry.get("expect") is None:         # only `never` is decided
            maybe = ["* * *"]
        return compare(entry.get("expect") or [], maybe, entry.get("never", []), decisions)

    def run(self):
        """Runs it four ways: as it is, with arrays permuted, with --verbose, with --summary."""
        path = save(self.name, self.state)
        decisions = simulate(path)
        wrong = self.judge(decisions)
        if wrong:
            said = "\n          ".join(told(one) for one in decisions) or "nothing"
            quotes = " and ".join(f'"{quote}"' for quote in self.quotes)
            raise Failed(f"{wrong}\n     said {said}\n     for  {quotes}")
        for seed in (1, 2):
            other = simulate(save(self.name + ".permuted", permuted(self.state, seed)))
            check([told(one) for one in other] == [told(one) for one in decisions],
                  f"other decisions with the arrays permuted (seed {seed})")
        check(not any(one["action"] == "keep" for one in decisions), "keep without --verbose")
        verbose = [one for one in simulate(path, "--verbose") if one["action"] != "keep"]
        check(verbose == decisions, "--verbose decides otherwise")
        summary = Run(["--summary", path])
        check(summary.code == 0, f"--summary: exit status {summary.code}")
        check(len(summary.out.split("\n}\n")) <= 2 and isinstance(json.loads(summary.out), dict),
              "--summary: not one object")


def load(path):
    """The scenarios of a file."""
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    return [Scenario(entry, whole) for entry in whole["scenarios"]]


def parsed(name, state, *args):
    """Decisions for a state that is made by a program."""
    return parse(Run([*args, save(name, state)]))
