import multiprocessing
import os
import signal
import sys
import time

import pytest
from torch.multiprocessing import ProcessExitedException

from maskrcnn_project.training.signals import relay_to_children


def wait_for_signal(ready):
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
    ready.set()
    time.sleep(60)


def test_children_get_the_signal():
    context = multiprocessing.get_context("fork")  # the quickest start; the child touches nothing of torch
    ready = context.Event()
    before = signal.getsignal(signal.SIGUSR1)
    with relay_to_children():
        child = context.Process(target=wait_for_signal, args=(ready,))
        child.start()
        assert ready.wait(20)
        os.kill(os.getpid(), signal.SIGUSR1)
        child.join(20)
    assert child.exitcode == 75
    assert signal.getsignal(signal.SIGUSR1) is before


def test_without_children_the_signal_is_what_it_was():
    received = []
    before = signal.signal(signal.SIGUSR1, lambda *_: received.append("before"))
    try:
        with relay_to_children():
            os.kill(os.getpid(), signal.SIGUSR1)
        assert received == ["before"]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_exit_code_of_a_child_is_taken_over():
    with pytest.raises(SystemExit) as exit_, relay_to_children():
        raise ProcessExitedException("ended", 0, 1, 75)
    assert exit_.value.code == 75


@pytest.mark.parametrize("code", [1, -9])
def test_errors_and_killed_children_are_errors(code):
    with pytest.raises(ProcessExitedException), relay_to_children():
        raise ProcessExitedException("ended", 0, 1, code)
