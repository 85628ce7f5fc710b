# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong netlink requests of every kind (SPEC R22); what is tried is in
programs/netlink_abuse.py and programs/netlink_fuzz.py, which run in the guest."""

import abuse
from labkit.vmtest import vmtest

CI, FULL, SOAK = ("ci",), ("full",), ("soak",)


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=240)
def test_R22_wrong_netlink_messages_are_refused_with_a_reason(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "netlink_abuse.py sense form")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=240)
def test_R22_only_admins_change_things(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "netlink_abuse.py rights")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=300)
def test_R22_relay_is_bounded_and_believes_nobody(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "relay_abuse.py relay")


@vmtest(nodes=1, tags=FULL, share=True, install=True, timeout=300)
def test_R22_as_many_environments_as_there_may_be(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "netlink_abuse.py many")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=400)
def test_R22_random_netlink_messages(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, f"netlink_fuzz.py --count {abuse.times(20000)}", 380)


@vmtest(nodes=1, tags=SOAK, share=True, install=True, timeout=14400)
def test_R22_random_netlink_messages_for_long(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, f"netlink_fuzz.py --count {abuse.times(100000)}", 14000)
