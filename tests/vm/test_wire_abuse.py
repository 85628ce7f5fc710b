# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong messages on the page fabric (SPEC R20a); what is tried is in
programs/wire_abuse.py and programs/wire_fuzz.py, which run in the guest: the
module is one end, the program is the other."""

import abuse
from labkit.vmtest import vmtest

CI, FULL, SOAK = ("ci",), ("full",), ("soak",)


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=300)
def test_R20a_wrong_descriptors_and_hellos_are_refused(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "wire_abuse.py fd hello")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=300)
def test_R20a_wrong_messages_end_their_connection_only(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "wire_abuse.py message")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=300)
def test_R20a_a_borrower_gets_its_own_pages_only(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "wire_abuse.py borrow")
        abuse.run(node, "donor_abuse.py lend")


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=300)
def test_R20a_floods_are_bounded(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "wire_abuse.py flood last")


@vmtest(nodes=1, tags=FULL, share=True, install=True, timeout=900)
def test_R20a_donors_that_lie_lose_nothing(lab):
    with abuse.module(lab.node(1)) as node:
        abuse.run(node, "donor_abuse.py donor after", 880)


@vmtest(nodes=1, tags=CI, share=True, install=True, timeout=400)
def test_R20a_random_streams(lab):
    with abuse.module(lab.node(1), "request_timeout_ms=60000 peer_grace_ms=1000") as node:
        abuse.run(node, f"wire_fuzz.py --count {abuse.times(300)}", 380)


@vmtest(nodes=1, tags=SOAK, share=True, install=True, timeout=14400)
def test_R20a_random_streams_for_long(lab):
    with abuse.module(lab.node(1), "request_timeout_ms=60000 peer_grace_ms=1000") as node:
        abuse.run(node, f"wire_fuzz.py --count {abuse.times(5000)}", 14000)
