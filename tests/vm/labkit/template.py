# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes one saved state and ends; see states.py, which starts it."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from . import net, states
from .errors import LabError
from .qemu import Machine


def main() -> int:
    path = Path(sys.argv[1])
    machine = Machine.from_json(json.loads((path / "machine.json").read_text()))
    signal.alarm(400)  # whatever happens, this process and its guest end
    net.enter_namespace()
    if machine.net_kind == "tap":
        net.make_bridge()
    try:
        asyncio.run(states.save_template(machine, path))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
