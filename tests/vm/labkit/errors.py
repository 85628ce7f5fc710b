# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors that end in one sentence for a person, never in a traceback."""


class LabError(Exception):
    """What is wrong, why, and what to do: one sentence."""


class CommandFailed(LabError):
    """A command in a guest ended badly; carries all it said."""

    def __init__(self, node: str, command: str, status: int, stdout: str, stderr: str, why: str = ""):
        self.node, self.command, self.status = node, command, status
        self.stdout, self.stderr = stdout, stderr
        head = f"{node}: {command!r} {why or f'ended with status {status}'}"
        parts = [head]
        if stdout.strip():
            parts.append(f"--- stdout\n{stdout.rstrip()}")
        if stderr.strip():
            parts.append(f"--- stderr\n{stderr.rstrip()}")
        super().__init__("\n".join(parts))


class Timeout(CommandFailed):
    """A command, or a condition, did not come about in time."""


class GuestDied(LabError):
    """A guest ended that nobody had asked to end; carries the splat."""
