"""A rule of the check: a stable id, how bad it is to break it, what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass

# error: training would stop, or learn something false. warning: likely a mistake. note: good to know.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """``quick`` rules read the JSON and the folder's listing only; the others decode images or masks."""

    id: str
    severity: str
    title: str  # what is found, as a phrase
    advice: str  # what to do, as a phrase
    quick: bool = True
    fixes: str = ""  # what ``--fix`` does; empty: nothing
