"""The sentences about keys that do not exist and values that do not fit."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CLOSEST = 3  # keys offered for one that does not exist


class UnknownKeyError(KeyError, AssertionError):
    """
    A key that the tree lacks. Also an AssertionError, which Detectron2 raises for one in an option list.
    """

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the sentence's repr


def unknown_keys(cfg: Mapping[str, Any], keys: Sequence[str], source: str) -> str:
    """One sentence on ``keys``, which ``cfg`` lacks: who set them, and the closest that exist."""
    named = "; ".join(f"{key} (closest: {', '.join(closest_keys(cfg, key)) or 'none'})" for key in keys)
    noun = "a key that does not exist" if len(keys) == 1 else "keys that do not exist"
    return (
        f"{source} sets {noun}: {named}; correct the name, or add the key to the cfg, with a default, before merging."
    )


def type_mismatch(key: str, old: Any, new: Any, source: str) -> str:
    """One sentence on a value of the wrong type."""
    if isinstance(old, Mapping):
        return f"{key} is a group of keys, but {source} gives it the value {new!r}: set keys inside it."
    if isinstance(new, Mapping):
        return f"{key} is one value (default {old!r}), but {source} makes it a group of keys: set the value."
    advice = {
        (float, int): f": write {new}.0",
        (str, int): f": write it in quotes, {str(new)!r}",
        (str, float): f": write it in quotes, {str(new)!r}",
        (tuple, str): f": write a list, ({new!r},)",
        (list, str): f": write a list, [{new!r}]",
        (bool, int): ": write True or False",
    }.get((type(old), type(new)), "")
    wanted, came = type(old).__name__, type(new).__name__
    return f"{key} wants {wanted} (now {old!r}), but {source} gives {came} {new!r}{advice}."


def closest_keys(cfg: Mapping[str, Any], key: str) -> list[str]:
    """At most three existing keys for a missing one: those of the same last word first, then by spelling."""
    # Not the groups that the key itself names: SOLVER is no answer to SOLVER.LR.
    existing = [name for name in _dotted(cfg) if not key.startswith(f"{name}.")]
    spelled = difflib.get_close_matches(key.upper(), existing, n=CLOSEST, cutoff=0.6)
    word = key.rpartition(".")[2].upper()
    # The right word in the wrong group; sorted by how much of the group is right.
    same_word = [name for name in existing if name.rpartition(".")[2] == word]
    same_word.sort(key=lambda name: -difflib.SequenceMatcher(None, name, key.upper()).ratio())
    return list(dict.fromkeys(same_word + spelled))[:CLOSEST]


def _dotted(cfg: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in cfg.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
