# SPDX-License-Identifier: GPL-2.0-or-later
"""Random clusters and events, valid by the contract, for the invariants and the models."""
WINDOWS = ("hour", "day", "week", "month")


def hundredth(order, low=0, high=100):
    """A load with two digits, so that thresholds are met exactly now and then."""
    return order.randint(low, high) / 100


def node(order, number, calm=False):
    one = {"id": number, "name": f"n{number}", "cpus": order.choice((1, 2, 4, 4, 8)),
           "memory_gib": order.choice((2, 4, 8, 8, 16)), "storage_gib": 100}
    if calm or order.random() < 0.93:
        one["load"] = hundredth(order, 0, 60 if calm else 100)
    if calm or order.random() < 0.5:
        one["avg"] = hundredth(order, 0, 60 if calm else 100)
    elif order.random() < 0.9:
        one["avg"] = {window: hundredth(order) for window in WINDOWS}
    return one


def process(order, pid, user, where):
    one = {"pid": pid, "user": user, "kind": "service", "restricted": order.random() < 0.15}
    if where is not None:
        one["node"] = where
    if order.random() < 0.95:
        one["load"] = order.randint(0, 30) / 100
        one["avg"] = order.randint(0, 30) / 100
    return one


CONFIG = {"balance_gap": (0.1, 0.2, 0.3), "balance_high": (0.6, 0.8), "leader_max": (0.6, 0.85, 2), "node_max": (0.7, 0.95, 2),
          "move_cost": (0, 0.05, 0.1), "move_rest": (0, 30), "overload_mode": ("highest", "all"),
          "recover_policy": ("return", "swap"), "consolidate_policy": ("free", "second"), "spare_lend": (0.5, 0.85),
          "spare_mean": ("current", "hour"), "spare_idle": (0.1, 0.4), "consolidate_below": (0.2, 0.5),
          "node_users": (1, 4), "candidate_max": (0.8, 2), "view_users_max": (10, 50), "base_units": (30, 45),
          "spare_hold": (0, 30), "surge_hold": (0, 10), "grow_load": (0.2, 0.8), "shrink_load": (0.3, 0.6)}

EVENTS = {"tick": 30, "load": 20, "process": 8, "exit": 3, "request": 4, "candidates": 2, "pick": 3, "select": 6, "fail": 4,
          "recover": 6, "join": 2, "idle": 2, "consolidate": 2, "review": 4, "spare": 2, "users": 3}


def cluster(order, size=12):
    """A state without events."""
    state = {"config": {key: order.choice(values) for key, values in CONFIG.items() if order.random() < 0.3},
             "nodes": [node(order, number) for number in sorted(order.sample(range(1, 3 * size), order.randint(1, size)))],
             "users": [], "processes": [], "views": [], "events": []}
    for one in state["nodes"]:
        chance = order.random()
        if chance < 0.12:
            one["state"] = "spare"
        elif chance < 0.15:
            one["state"] = order.choice(("drained", "failed"))
    usable = [one["id"] for one in state["nodes"] if one.get("state", "active") == "active"]
    pid = 100
    for name in order.sample(["A", "B", "C", "Dora", "e"], order.randint(0, 4)):
        if not usable:
            break
        nodes = sorted(order.sample(usable, order.randint(1, min(5, len(usable)))))
        active = sorted(order.sample(nodes, order.randint(1, len(nodes)))) if order.random() < 0.4 else nodes
        user = {"name": name, "nodes": nodes}
        if active != nodes:
            user["active"] = active
        if order.random() < 0.4:
            user["leader"] = order.choice(active)
        elif active[0] != nodes[0]:
            user["leader"] = active[0]
        if order.random() < 0.7:
            user["units"] = order.randint(1, 30 * len(nodes))
        state["users"].append(user)
        for _ in range(order.randint(0, 8)):
            pid += order.randint(1, 3)
            state["processes"].append(process(order, pid, name, order.choice(active)))
        for number in range(order.choice((0, 0, 1, 2))):
            view = {"name": f"{name}{number}", "user": name, "mode": order.choice(("users", "group", "load")),
                    "users": order.randint(0, 80)}
            if order.random() < 0.7:
                view["main"] = sorted(order.sample(active, order.randint(1, len(active))))
            if order.random() < 0.4:
                view["image"] = "web"
            state["views"].append(view)
    if usable and order.random() < 0.3:
        for _ in range(order.randint(1, 4)):
            pid += 1
            state["processes"].append(process(order, pid, "admin", order.choice(usable)))
    return state


def happen(order, state, length):
    """Adds events, each at a time of its own, that name only what is known at that moment."""
    now = 0
    nodes = {one["id"]: one.get("state", "active") for one in state["nodes"]}
    users = [one["name"] for one in state["users"]]
    alive = [one["pid"] for one in state["processes"]]
    fresh = 10000
    for _ in range(length):
        now += order.choice((1, 2, 5, 29, 31))
        living = [number for number, how in nodes.items() if how != "failed"]
        failed = [number for number, how in nodes.items() if how == "failed"]
        do = order.choices(list(EVENTS), list(EVENTS.values()))[0]
        event = {"at": now, "do": do}
        if do == "load" and nodes:
            event.update(node=order.choice(list(nodes)), load=order.choice((hundredth(order), hundredth(order, 80))))
            if order.random() < 0.3:
                event["avg"] = hundredth(order)
        elif do == "process":
            if alive and order.random() < 0.6:
                event.update(pid=order.choice(alive))
                if order.random() < 0.7:
                    event["load"] = order.randint(0, 30) / 100
                else:
                    event["restricted"] = order.random() < 0.5
            elif users:
                fresh += 1
                event.update(process(order, fresh, order.choice(users), None))
                alive.append(fresh)
            else:
                continue
        elif do == "exit" and alive:
            event["pid"] = alive.pop(order.randrange(len(alive)))
        elif do == "request":
            event.update(user=order.choice(users + ["F", "G"]), units=order.randint(1, 150))
        elif do == "candidates":
            event["user"] = order.choice(users + ["F"])
        elif do == "pick" and nodes:
            picked = order.sample(list(nodes), order.randint(0, min(2, len(nodes))))
            event.update(user=order.choice(users + ["F", "H"]), nodes=sorted(picked))
        elif do == "select" and users and nodes:
            ticked = order.sample(list(nodes), order.randint(0, min(4, len(nodes))))
            event.update(user=order.choice(users), nodes=sorted(ticked))
            known = next(one for one in state["users"] if one["name"] == event["user"])["nodes"]
            if order.random() < 0.7:
                event["nodes"] = sorted(order.sample(known, order.randint(1, len(known))))
        elif do == "fail" and living:
            event["node"] = order.choice(living)
            nodes[event["node"]] = "failed"
        elif do == "recover" and failed:
            event["node"] = order.choice(failed)
            nodes[event["node"]] = "active"
        elif do == "join":
            number = order.randint(40, 99)
            if number in nodes:
                continue
            event["node"] = node(order, number)
            nodes[number] = "active"
        elif do == "review" and users:
            event.update(user=order.choice(users), usage=hundredth(order))
            if order.random() < 0.6:
                event["load"] = hundredth(order)
        elif do == "users" and state["views"]:
            event.update(view=order.choice(state["views"])["name"], users=order.randint(0, 99))
        elif do not in ("tick", "idle", "consolidate", "spare"):
            continue
        state["events"].append(event)
    return state


def large(order, nodes=10000, processes=100000):
    """A cluster of the size that GOALS.md names: users of 10 nodes each, one in 500 a spare."""
    state = {"config": {}, "nodes": [], "users": [], "processes": [], "views": [], "events": []}
    for number in range(1, nodes + 1):
        one = node(order, number, calm=order.random() < 0.9)
        if number % 500 == 0:
            one["state"] = "spare"
        state["nodes"].append(one)
    usable = [one["id"] for one in state["nodes"] if "state" not in one]
    order.shuffle(usable)
    users = nodes // 10
    held = {}
    for number in range(users):
        held[f"u{number}"] = sorted(usable[number * len(usable) // users:(number + 1) * len(usable) // users])
    state["users"] = [{"name": name, "nodes": numbers, "units": 30 * max(1, len(numbers) - 1)}
                      for name, numbers in held.items()]
    names = list(held)
    for pid in range(1, processes + 1):
        name = order.choice(names)
        state["processes"].append(process(order, pid, name, order.choice(held[name])))
    state["events"] = [{"at": 0, "do": "tick"}, {"at": 2, "do": "tick"}, {"at": 3, "do": "fail", "node": usable[0]},
                       {"at": 4, "do": "recover", "node": usable[0]}, {"at": 5, "do": "join", "node": node(order, nodes + 1)},
                       {"at": 6, "do": "request", "user": "fresh", "units": 900}, {"at": 35, "do": "tick"},
                       {"at": 36, "do": "idle"}, {"at": 37, "do": "consolidate"}, {"at": 38, "do": "spare"},
                       {"at": 70, "do": "tick"}]
    return state
