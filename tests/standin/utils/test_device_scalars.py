"""Scalars on a device: they wait, come together in one transfer, and are bounded."""

from __future__ import annotations

import pytest
import torch
from detectron2.utils._device_scalars import LazyHistory, fetch
from detectron2.utils.events import EventStorage


class Waiting(torch.Tensor):
    """A tensor that says it lies on a device, to see when it is fetched."""

    fetched = 0

    @property
    def device(self):
        return torch.device("cuda", 0)

    def tolist(self):
        Waiting.fetched += 1
        return torch.Tensor.tolist(self.as_subclass(torch.Tensor))


def test_device_scalars_wait_until_read_and_come_together():
    storage = EventStorage()
    value = torch.ones(()).as_subclass(Waiting)
    Waiting.fetched = 0
    for iteration in range(3):
        storage.put_scalars(a=value * iteration, b=value)
        storage.put_scalar("a", 10.0)  # a plain number behind one that waits keeps its place
        storage.step()
    assert Waiting.fetched == 0
    assert storage.latest() == {"a": (10.0, 2), "b": (1.0, 2)}
    assert Waiting.fetched == 1  # one transfer for all six
    assert [v for v, _ in storage.history("a").values()] == [0.0, 10.0, 1.0, 10.0, 2.0, 10.0]


def test_waiting_value_is_the_one_that_was_put():
    history = LazyHistory()
    value = torch.ones(()).as_subclass(Waiting)
    history.update(value)
    value += 5  # the caller goes on computing in place
    assert history.latest() == 1.0
    with pytest.raises(ValueError, match=r"one element, but got a tensor of shape \(2,\)"):
        history.update(torch.ones(2).as_subclass(Waiting))
    fetch([])  # nothing is a normal input


def test_waiting_values_are_bounded(monkeypatch):
    monkeypatch.setattr("detectron2.utils._device_scalars.MAX_WAITING", 4)
    history = LazyHistory()
    for _ in range(11):
        history.update(torch.ones(()).as_subclass(Waiting))
    assert len(history._waiting) <= 4
    assert len(history.values()) == 11
