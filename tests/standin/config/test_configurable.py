"""Calling classes and functions with a cfg in place of their arguments."""

from __future__ import annotations

import pytest
from detectron2.config import configurable, get_cfg


class Layer:
    @configurable
    def __init__(self, width, depth=1, *, name="plain"):
        self.values = (width, depth, name)

    @classmethod
    def from_config(cls, cfg, depth=2):
        return {"width": cfg.MODEL.FPN.OUT_CHANNELS, "depth": depth}


@pytest.mark.parametrize(
    ("args", "kwargs", "values"),
    [
        ((8,), {}, (8, 1, "plain")),  # explicit arguments go through unchanged
        ((8, 3), {"name": "x"}, (8, 3, "x")),
        (("cfg",), {}, (256, 2, "plain")),
        (("cfg", 5), {}, (256, 5, "plain")),  # from_config's own argument
        ((), {"cfg": "cfg", "depth": 5}, (256, 5, "plain")),
        (("cfg",), {"name": "x"}, (256, 2, "x")),  # not from_config's: added to what it returns
        (("cfg",), {"width": 4}, (4, 2, "plain")),  # and overrides it
    ],
)
def test_init(args, kwargs, values):
    cfg = get_cfg()
    args = tuple(cfg if a == "cfg" else a for a in args)
    kwargs = {k: cfg if v == "cfg" else v for k, v in kwargs.items()}
    assert Layer(*args, **kwargs).values == values


def test_subclass_translates_in_its_own_way():
    class Wide(Layer):
        @classmethod
        def from_config(cls, cfg, depth=2):
            return {**super().from_config(cfg, depth), "name": "wide"}

    class Plain(Layer):  # hands the cfg on from an __init__ of its own
        def __init__(self, cfg):
            super().__init__(cfg, 7)

    assert Wide(get_cfg()).values == (256, 2, "wide")
    assert Plain(get_cfg()).values == (256, 7, "plain")


def test_from_config_with_kwargs_gets_everything():
    class Open:
        @configurable
        def __init__(self, **values):
            self.values = values

        @classmethod
        def from_config(cls, cfg, **kwargs):
            return {"seen": kwargs}

    assert Open(get_cfg(), a=1).values == {"seen": {"a": 1}}


def test_function():
    def translate(cfg, b=2):
        return {"a": cfg.VERSION, "b": b}

    @configurable(from_config=translate)
    def add(a, b=1, c=0):
        """Docstring."""
        return a, b, c

    assert add(5) == (5, 1, 0)
    assert add(get_cfg()) == (2, 2, 0)
    assert add(get_cfg(), b=9, c=4) == (2, 9, 4)
    assert add.from_config is translate
    assert add.__doc__ == "Docstring."


def test_mistakes_are_named():
    class Without:
        @configurable
        def __init__(self, a):
            self.a = a

    class Instance(Without):
        def from_config(self, cfg):
            return {}

    class Misnamed(Without):
        @classmethod
        def from_config(cls, config):
            return {}

    class Tuple(Without):
        @classmethod
        def from_config(cls, cfg):
            return (1,)

    assert Without(3).a == 3
    for cls, error, sentence in (
        (Without, AttributeError, "Without was called with a cfg, but has no classmethod from_config"),
        (Instance, TypeError, "must be a classmethod"),
        (Misnamed, TypeError, "must be named cfg"),
        (Tuple, TypeError, "must return a dict, but returned tuple"),
    ):
        with pytest.raises(error, match=sentence):
            cls(get_cfg())
    with pytest.raises(TypeError, match="decorates an __init__ method"):
        configurable(lambda cfg: {})
    with pytest.raises(TypeError, match="must be a function"):
        configurable(from_config=3)
