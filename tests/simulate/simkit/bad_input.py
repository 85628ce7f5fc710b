# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be refused: the whole file is read first, exit status 2, a message with file, line and
JSON path, nothing on standard output."""
import json
import os
import re

from simkit.simulator import Run, check, parse, save

# One element of an array a line; the rows below name what they replace by its number here.
GOOD = """{
 "config": { "base_units": 30 },
 "nodes": [
  { "id": 1, "name": "n1", "cpus": 4, "memory_gib": 8, "storage_gib": 100, "load": 0.96, "avg": 0.2 },
  { "id": 2, "name": "n2", "cpus": 4, "memory_gib": 8, "storage_gib": 100, "load": 0.2, "avg": { "hour": 0.2, "day": 0.2, "week": 0.2, "month": 0.2 } },
  { "id": 3, "name": "n3", "cpus": 4, "memory_gib": 8, "storage_gib": 100, "load": 0.2, "avg": 0.2, "state": "active" }
 ],
 "users": [
  { "name": "A", "nodes": [1, 2], "active": [1, 2], "leader": 1, "units": 60 },
  { "name": "B", "nodes": [3] }
 ],
 "processes": [
  { "pid": 101, "user": "A", "node": 1, "kind": "service", "load": 0.3, "avg": 0.25, "restricted": false },
  { "pid": 201, "user": "A", "node": 2, "kind": "service", "load": 0.1, "avg": 0.1, "restricted": true }
 ],
 "views": [
  { "name": "web", "user": "A", "main": [2], "mode": "users", "users": 10, "image": "web" }
 ],
 "events": [
  { "at": 0, "do": "tick" },
  { "at": 5, "do": "tick" },
  { "at": 5, "do": "load", "node": 2, "load": 0.5 }
 ]
}
"""
LINES = GOOD.split("\n")
NODE, USER, PROCESS, VIEW, EVENT = 6, 10, 14, 17, 22      # the last element of each array


def node(**over):
    return {"id": 3, "name": "n3", "cpus": 4, "memory_gib": 8, "storage_gib": 100, "load": 0.2, "avg": 0.2, **over}


def process(**over):
    return {"pid": 201, "user": "A", "node": 2, "kind": "service", "load": 0.1, "avg": 0.1, "restricted": True, **over}


def user(**over):
    return {"name": "B", "nodes": [3], **over}


def view(**over):
    return {"name": "web", "user": "A", "main": [2], "mode": "users", "users": 10, "image": "web", **over}


def at5(do, **over):
    return {"at": 5, "do": do, **over}


# name, line, what stands there instead, the JSON path that the message names
ROWS = [
    # unknown keys
    ("node_key", NODE, node(colour="red"), "nodes[2].colour"),
    ("avg_key", NODE, node(avg={"hour": 0.1, "year": 0.1}), "nodes[2].avg.year"),
    ("user_key", USER, user(colour=1), "users[1].colour"),
    ("process_key", PROCESS, process(colour=1), "processes[1].colour"),
    ("view_key", VIEW, view(colour=1), "views[0].colour"),
    ("event_key", EVENT, at5("load", node=2, load=0.5, colour=1), "events[2].colour"),
    ("event_key_of_another_event", EVENT, at5("tick", node=2), "events[2].node"),
    ("joined_node_key", EVENT, at5("join", node=node(id=9, colour=1)), "events[2].node.colour"),
    # unknown event, state
    ("event", EVENT, at5("dance"), "events[2].do"),
    ("state", NODE, node(state="asleep"), "nodes[2].state"),
    ("state_of_joined_node", EVENT, at5("join", node=node(id=9, state="asleep")), "events[2].node.state"),
    # wrong types
    ("node_is_no_object", NODE, 3, "nodes[2]"),
    ("node_id_type", NODE, node(id="3"), "nodes[2].id"),
    ("node_id_fraction", NODE, node(id=3.5), "nodes[2].id"),
    ("node_load_type", NODE, node(load="0.2"), "nodes[2].load"),
    ("node_load_bool", NODE, node(load=True), "nodes[2].load"),
    ("node_avg_type", NODE, node(avg=[0.2]), "nodes[2].avg"),
    ("node_avg_window_type", NODE, node(avg={"hour": "0.1"}), "nodes[2].avg.hour"),
    ("node_cpus_type", NODE, node(cpus="4"), "nodes[2].cpus"),
    ("node_name_type", NODE, node(name=3), "nodes[2].name"),
    ("node_state_type", NODE, node(state=1), "nodes[2].state"),
    ("user_is_no_object", USER, "B", "users[1]"),
    ("user_name_type", USER, user(name=7), "users[1].name"),
    ("user_nodes_type", USER, user(nodes=3), "users[1].nodes"),
    ("user_nodes_element_type", USER, user(nodes=["3"]), "users[1].nodes"),
    ("user_leader_type", USER, user(leader="3"), "users[1].leader"),
    ("user_units_type", USER, user(units="30"), "users[1].units"),
    ("pid_type", PROCESS, process(pid="201"), "processes[1].pid"),
    ("process_user_type", PROCESS, process(user=1), "processes[1].user"),
    ("process_restricted_type", PROCESS, process(restricted=1), "processes[1].restricted"),
    ("process_load_type", PROCESS, process(load="0.1"), "processes[1].load"),
    ("process_kind_type", PROCESS, process(kind=1), "processes[1].kind"),
    ("view_main_type", VIEW, view(main=2), "views[0].main"),
    ("view_users_type", VIEW, view(users="10"), "views[0].users"),
    ("view_image_type", VIEW, view(image=1), "views[0].image"),
    ("event_is_no_object", EVENT, "tick", "events[2]"),
    ("at_type", EVENT, {"at": "5", "do": "tick"}, "events[2].at"),
    ("do_type", EVENT, {"at": 5, "do": 1}, "events[2].do"),
    ("event_node_type", EVENT, at5("fail", node="2"), "events[2].node"),
    ("event_nodes_type", EVENT, at5("select", user="A", nodes=2), "events[2].nodes"),
    ("event_units_type", EVENT, at5("request", user="C", units="90"), "events[2].units"),
    ("event_usage_type", EVENT, at5("review", user="A", usage="0.5"), "events[2].usage"),
    ("joined_node_type", EVENT, at5("join", node=9), "events[2].node"),
    # outside 0..1
    ("load_above_one", NODE, node(load=1.01), "nodes[2].load"),
    ("load_below_zero", NODE, node(load=-0.01), "nodes[2].load"),
    ("avg_above_one", NODE, node(avg=1.5), "nodes[2].avg"),
    ("avg_window_above_one", NODE, node(avg={"hour": 0.1, "day": 0.1, "week": 1.1, "month": 0.1}), "nodes[2].avg.week"),
    ("process_load_above_one", PROCESS, process(load=2), "processes[1].load"),
    ("process_avg_below_zero", PROCESS, process(avg=-1), "processes[1].avg"),
    ("event_load_above_one", EVENT, at5("load", node=2, load=1.2), "events[2].load"),
    ("event_avg_above_one", EVENT, at5("load", node=2, load=0.2, avg=7), "events[2].avg"),
    ("event_process_load", EVENT, at5("process", pid=101, load=-0.2), "events[2].load"),
    ("usage_above_one", EVENT, at5("review", user="A", usage=1.1), "events[2].usage"),
    ("usage_below_zero", EVENT, at5("review", user="A", usage=-0.1), "events[2].usage"),
    ("review_load_above_one", EVENT, at5("review", user="A", usage=0.5, load=1.1), "events[2].load"),
    ("joined_node_load", EVENT, at5("join", node=node(id=9, load=1.1)), "events[2].node.load"),
    # not known at that moment
    ("user_node_unknown", USER, user(nodes=[3, 99]), "users[1].nodes"),
    ("user_active_unknown", USER, user(active=[99]), "users[1].active"),
    ("user_leader_unknown", USER, user(leader=99), "users[1].leader"),
    ("process_node_unknown", PROCESS, process(node=99), "processes[1].node"),
    ("process_user_unknown", PROCESS, process(user="Z"), "processes[1].user"),
    ("view_node_unknown", VIEW, view(main=[99]), "views[0].main"),
    ("view_user_unknown", VIEW, view(user="Z"), "views[0].user"),
    ("load_node_unknown", EVENT, at5("load", node=99, load=0.5), "events[2].node"),
    ("fail_node_unknown", EVENT, at5("fail", node=99), "events[2].node"),
    ("recover_node_unknown", EVENT, at5("recover", node=99), "events[2].node"),
    ("pick_node_unknown", EVENT, at5("pick", user="A", nodes=[3, 99]), "events[2].nodes"),
    ("select_node_unknown", EVENT, at5("select", user="A", nodes=[99]), "events[2].nodes"),
    ("select_user_unknown", EVENT, at5("select", user="Z", nodes=[1]), "events[2].user"),
    ("review_user_unknown", EVENT, at5("review", user="Z", usage=0.5), "events[2].user"),
    ("exit_pid_unknown", EVENT, at5("exit", pid=999), "events[2].pid"),
    ("process_event_user_unknown", EVENT, at5("process", pid=301, user="Z", node=1, load=0.1), "events[2].user"),
    ("process_event_node_unknown", EVENT, at5("process", pid=301, user="A", node=99, load=0.1), "events[2].node"),
    ("users_view_unknown", EVENT, at5("users", view="mail", users=5), "events[2].view"),
    # an id twice
    ("node_twice", NODE, node(id=2), "nodes[2].id"),
    ("user_twice", USER, user(name="A"), "users[1].name"),
    ("pid_twice", PROCESS, process(pid=101), "processes[1].pid"),
    ("joined_node_twice", EVENT, at5("join", node=node(id=3)), "events[2].node.id"),
    # time
    ("at_backwards", EVENT, {"at": 4, "do": "tick"}, "events[2].at"),
]

# name, whole text, what the message names besides the file
TEXTS = [
    ("empty", "", ""),
    ("no_json", "nodes: 1\n", ""),
    ("truncated", GOOD[:400], ""),
    ("something_after_it", GOOD + "{}\n", ""),
    ("comma_at_the_end", GOOD.replace('"load": 0.5 }\n', '"load": 0.5 },\n'), ""),
    ("array_instead_of_object", "[]\n", ""),
    ("number_instead_of_object", "17\n", ""),
    ("nan", GOOD.replace('"load": 0.5', '"load": NaN'), ""),
    ("comment", GOOD.replace(' "views"', ' // no comments in JSON\n "views"'), ""),
    ("binary", "\x00\x01\x02\n", ""),
    ("top_key", GOOD.replace('"views"', '"sights"'), "sights"),
    ("config_key", GOOD.replace('"base_units": 30', '"bass_units": 30'), "config.bass_units"),
    ("config_type", GOOD.replace('"base_units": 30', '"base_units": "30"'), "config.base_units"),
    ("config_below_zero", GOOD.replace('"base_units": 30', '"leader_max": -0.1'), "config.leader_max"),
    ("config_policy", GOOD.replace('"base_units": 30', '"recover_policy": "perhaps"'), "config.recover_policy"),
    ("config_mode", GOOD.replace('"base_units": 30', '"overload_mode": "some"'), "config.overload_mode"),
    ("config_is_no_object", GOOD.replace('{ "base_units": 30 }', "30"), "config"),
    ("unit_table_key", GOOD.replace('"base_units": 30', '"unit_table": { "gpus": 1 }'), "config.unit_table.gpus"),
    ("nodes_is_no_array", GOOD.replace('"nodes": [\n', '"nodes": 5, "x": [\n'), "nodes"),
    ("view_mode", GOOD.replace('"mode": "users"', '"mode": "crowd"'), "views[0].mode"),
    ("process_kind", GOOD.replace('"kind": "service", "load": 0.1', '"kind": "demon", "load": 0.1'), "processes[1].kind"),
]

# events after the two ticks; the last is bad (of join_later the first): not there any more, or not yet
SEQUENCES = [
    ("exit_twice", [at5("exit", pid=101), at5("exit", pid=101)], "pid"),
    ("join_later", [at5("load", node=9, load=0.1), at5("join", node=node(id=9))], "node"),
    ("join_twice", [at5("join", node=node(id=9)), at5("join", node=node(id=9))], "node.id"),
    ("time_of_the_last", [at5("tick"), {"at": 8, "do": "tick"}, {"at": 7.9, "do": "tick"}], "at"),
]
GOOD_SEQUENCES = [
    ("join_then_load", [at5("join", node=node(id=9)), at5("load", node=9, load=0.1)]),
    ("exit_then_again", [at5("exit", pid=201), {**at5("process"), **process()}]),
    ("new_users", [at5("candidates", user="C"), at5("request", user="D", units=30), at5("pick", user="E", nodes=[3])]),
    ("same_time", [at5("tick"), at5("tick")]),
]


def refused(path, run, wanted, line):
    check(run.code == 2, f"exit status {run.code}, not 2: {run.err.strip()[-300:]}")
    check(run.out == "", f"something on standard output: {run.out[:200]}")
    check(run.err.strip(), "no message")
    name = os.path.basename(path)
    check(name in run.err, f"the message does not name the file: {run.err.strip()[:300]}")
    check(wanted in run.err, f"the message does not name {wanted}: {run.err.strip()[:300]}")
    if line:
        rest = run.err.replace(path, "").replace(wanted, "")
        check(re.search(rf"(?<![\d.]){line}(?![\d.]*\d)", rest),
              f"the message does not name line {line}: {run.err.strip()[:300]}")


def dump(value):
    return "  " + json.dumps(value)


def one(name, text, wanted, line=None):
    path = save("bad_" + name, text)
    for args in ([], ["--verbose"], ["--summary"]):
        refused(path, Run([*args, path]), wanted, line)


def row(name, line, value, wanted):
    lines = list(LINES)
    comma = "," if lines[line - 1].endswith(",") else ""
    lines[line - 1] = dump(value) + comma
    one(name, "\n".join(lines), wanted, line)


def sequence_text(events):
    return "\n".join(LINES[:EVENT - 1] + [",\n".join(dump(event) for event in events)] + LINES[EVENT:])


def sequence(name, events, field):
    number = 0 if name == "join_later" else len(events) - 1
    one(name, sequence_text(events), f"events[{number + 2}].{field}", EVENT + number)


def spread():
    """An element over several lines: the message names where it begins, not where the fault is."""
    bad = '  {\n   "at": 5,\n   "do": "load",\n   "node": 77,\n   "load": 0.5\n  }'
    one("spread", "\n".join(LINES[:EVENT - 1] + [bad] + LINES[EVENT:]), "events[2].node", EVENT)


def missing_file():
    run = Run([os.path.join(os.path.dirname(save("present", GOOD)), "absent.json")])
    check(run.code in (1, 2) and not run.out and "absent.json" in run.err, f"{run.code}: {run.err}")


def usage():
    for args in ([], ["--nonsense", save("present", GOOD)]):
        run = Run(args)
        check(run.code == 2 and not run.out and run.err, f"{args}: {run.code} {run.err}")


def good_says_something():
    run = Run([save("present", GOOD)])
    check(parse(run), "the good form of the file decides nothing: the refusals would prove little")


def tests():
    yield "bad_input_good_says_something", good_says_something
    for name, text, wanted in TEXTS:
        yield f"bad_input_{name}", lambda name=name, text=text, wanted=wanted: one(name, text, wanted)
    for each in ROWS:
        yield f"bad_input_{each[0]}", lambda each=each: row(*each)
    for each in SEQUENCES:
        yield f"bad_input_{each[0]}", lambda each=each: sequence(*each)
    for name, events in GOOD_SEQUENCES:
        yield f"good_input_{name}", lambda n=name, e=events: parse(Run([save("good_" + n, sequence_text(e))]))
    yield "bad_input_spread", spread
    yield "bad_input_missing_file", missing_file
    yield "bad_input_usage", usage
