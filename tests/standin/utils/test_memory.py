"""Falling back to the CPU."""

from __future__ import annotations

import pytest
import torch
from detectron2.utils.memory import _to_cpu, retry_if_cuda_oom


def failing(times: int, error: type[Exception] = torch.cuda.OutOfMemoryError):
    """A function that fails so many times, and the list of its calls."""
    calls: list[tuple] = []

    def function(*args, **kwargs):
        calls.append((args, kwargs))
        if len(calls) <= times:
            raise error("CUDA out of memory.")
        return None if not args else args[0]

    return function, calls


@pytest.mark.parametrize(("times", "calls_wanted"), [(0, 1), (1, 2), (2, 3)])
def test_tries_until_it_works(times, calls_wanted):
    function, calls = failing(times)
    assert retry_if_cuda_oom(function)(5, key=6) == 5
    assert calls == [((5,), {"key": 6})] * calls_wanted


def test_none_is_a_result():
    function, calls = failing(0)
    assert retry_if_cuda_oom(function)() is None
    assert len(calls) == 1


def test_the_cpu_is_the_last_try():
    function, calls = failing(3)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        retry_if_cuda_oom(function)()
    assert len(calls) == 3


def test_other_errors_pass_through():
    function, calls = failing(1, RuntimeError)
    with pytest.raises(RuntimeError):
        retry_if_cuda_oom(function)()
    assert len(calls) == 1


class OnGpu:
    device = torch.device("cuda", 1)

    def to(self, device):
        return f"moved to {device}"


def test_only_what_lies_on_a_gpu_moves():
    tensor = torch.zeros(2)
    moved = _to_cpu({"a": [OnGpu(), tensor], "b": (OnGpu(), "text", None), "c": 3})
    assert moved == {"a": ["moved to cpu", tensor], "b": ("moved to cpu", "text", None), "c": 3}
