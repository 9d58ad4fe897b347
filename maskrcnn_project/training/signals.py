"""A process that started others for each GPU hands on what it is asked, and ends as they do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def relay_to_children(names: Sequence[str] = ("SIGTERM", "SIGUSR1", "SIGHUP")) -> Iterator[None]:
    """
    Within it the signals ``names`` go to the child processes (where the hook StopOnSignal takes them) while this one
    waits for their end; where there are none, the signals do what they did before. If a child ends with an exit code
    of its own, such as 75 for "go on with --resume", so does this process.
    """
    before: dict[int, Any] = {}

    def relay(number: int, frame: FrameType | None) -> None:
        children = multiprocessing.active_children()
        for child in children:
            if child.pid is not None:
                os.kill(child.pid, number)
        if not children:
            signal.signal(number, before[number])
            os.kill(os.getpid(), number)

    for name in names:
        before[signal.Signals[name]] = signal.signal(signal.Signals[name], relay)
    try:
        yield
    except Exception as error:
        # torch's ProcessExitedException, which is not imported here; below 0 stands for a signal, 1 for an error
        if type(error).__name__ != "ProcessExitedException" or getattr(error, "exit_code", 1) <= 1:
            raise
        sys.exit(error.exit_code)  # type: ignore[attr-defined]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
