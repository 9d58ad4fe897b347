"""At the door of every tool: a user's mistake ends in one sentence and a non-zero exit, a bug in a traceback."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

# What bad input raises, here and in the libraries below. Anything else is a bug and shows its traceback.
BAD_INPUT = (OSError, ValueError, KeyError, ImportError, FloatingPointError)
TRACEBACK_VARIABLE = "MASKRCNN_TRACEBACK"


def run_tool(main: Callable[[], Any]) -> None:
    """
    Runs ``main`` and ends the process: exit code 0, or 1 after one sentence on standard error for bad input.

    ``MASKRCNN_TRACEBACK=1`` shows the traceback as well.
    """
    # fvcore scripts its losses when it is imported, which torch has begun to call old-fashioned: no user's concern.
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*deprecated", category=FutureWarning)
    try:
        main()
    except BAD_INPUT as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def sentence(error: BaseException) -> str:
    """The message of ``error`` without the quotes that KeyError puts round its own."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error) or type(error).__name__
