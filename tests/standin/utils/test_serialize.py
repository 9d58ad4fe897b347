"""Objects on their way into worker processes."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from detectron2.utils.serialize import PicklableWrapper


def test_acts_as_the_object():
    wrapper = PicklableWrapper(np.arange(3))
    assert wrapper.shape == (3,)
    assert PicklableWrapper(max)(3, 5) == 5
    assert PicklableWrapper(wrapper)._obj is wrapper._obj  # wrapped once
    with pytest.raises(AttributeError):
        wrapper.no_such_attribute  # noqa: B018


def test_round_trip():
    copy = pickle.loads(pickle.dumps(PicklableWrapper([1, {"a": 2}])))
    assert isinstance(copy, PicklableWrapper)
    assert copy._obj == [1, {"a": 2}]


def test_lambda_without_cloudpickle_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(pickle.PicklingError, match="top level of a module, or run 'pip install cloudpickle'"):
        pickle.dumps(PicklableWrapper(lambda x: x))


def test_lambda_with_cloudpickle():
    pytest.importorskip("cloudpickle")
    assert pickle.loads(pickle.dumps(PicklableWrapper(lambda x: x + 1)))(2) == 3
