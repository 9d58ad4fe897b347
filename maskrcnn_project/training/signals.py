"""A process that started others for each GPU hands on what it is asked, and ends as they do."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any


def end_with_launcher() -> None:
    """
    Ends this process, which another one started for a GPU, when that one is gone, however it ended: left alone it would
    hold the GPU, and write into the run's folder, which has no lock any more. To be called once, at its start.
    """
    launcher = multiprocessing.parent_process()
    if launcher is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([launcher.sentinel])
        print(f"The launching process {launcher.pid} is gone, and so is process {os.getpid()}.", file=sys.stderr)
        os._exit(1)

    threading.Thread(target=watch, name="launcher", daemon=True).start()


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
