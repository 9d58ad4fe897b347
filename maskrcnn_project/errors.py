"""At the door of every tool: a user's mistake ends in one sentence and a non-zero exit, a bug in a traceback."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

# What bad input raises, here and in the libraries below. Anything else is a bug and shows its traceback.
BAD_INPUT = (OSError, ValueError, KeyError, ImportError, FloatingPointError, MemoryError)
TRACEBACK_VARIABLE = "MASKRCNN_TRACEBACK"
# GNU OpenMP's bound on spinning (iterations of its loop), which it reads once, when torch is loaded.
SPIN_VARIABLE, SPINS = "GOMP_SPINCOUNT", "1000"
TRACEBACK_HEAD = "Traceback (most recent call last)"


class DatasetError(ValueError):
    """What is wrong with a dataset: what was wanted, what came and where, what to do."""


def run_tool(main: Callable[[], Any]) -> None:
    """
    Runs ``main`` and ends the process: exit code 0, or 1 after one sentence on standard error for bad input.

    ``MASKRCNN_TRACEBACK=1`` shows the traceback as well.
    """
    bound_spinning()
    # fvcore scripts its losses when it is imported, which torch has begun to call old-fashioned: no user's concern.
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*deprecated", category=FutureWarning)
    try:
        main()
    except Exception as error:
        if not is_bad_input(error):
            raise
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def bound_spinning() -> None:
    """
    PyTorch's threads wait for one another by spinning, which on a busy machine takes the time of those that are waited
    for. A bound on it costs nothing on an idle machine. It must be set before torch is loaded; what the user set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPIN_VARIABLE, SPINS)


def is_bad_input(error: BaseException) -> bool:
    """Whether ``error`` is a user's mistake, here or in a process that was started (its type is in the last line)."""
    if isinstance(error, BAD_INPUT):
        return True
    names = {kind.__name__ for kind in (*BAD_INPUT, FileNotFoundError, FileExistsError, ModuleNotFoundError)}
    return type(error).__name__ == "ProcessRaisedException" and _relayed_line(str(error)).split(":")[0] in names


def sentence(error: BaseException) -> str:
    """
    The message of ``error``: without the quotes that KeyError puts round its own, and of an error that a worker
    process relayed, with its whole traceback as the message, only what the worker said.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if TRACEBACK_HEAD in text:
        text = _relayed_line(text).partition(": ")[2]
    return text or type(error).__name__


def _relayed_line(text: str) -> str:
    return text.strip().splitlines()[-1]
