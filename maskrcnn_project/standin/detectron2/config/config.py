"""A copy of the default tree, and the decorator that lets a class or function be called with a ``cfg``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from detectron2.config._node import CfgNode
from detectron2.config.defaults import _C
from fvcore.common.config import CfgNode as _CfgNode

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def configurable(init_func: Any = None, *, from_config: Callable[..., dict[str, Any]] | None = None) -> Any:
    """
    Makes a function callable with a ``cfg``, which ``from_config`` translates into the function's arguments.

    As ``@configurable`` on ``__init__``: the class has a classmethod ``from_config(cls, cfg, ...)``. As
    ``@configurable(from_config=f)`` on a function: ``f(cfg, ...)``. Either returns a dict of arguments. A
    call whose first argument, or argument ``cfg``, is a CfgNode goes through it; any other call goes to the
    function unchanged. Keyword arguments that ``from_config`` does not name override what it returns.

    Raises:
        TypeError, AttributeError: the decorator or ``from_config`` is not as described; the sentence says
        how.
    """
    if init_func is not None:
        if not inspect.isfunction(init_func) or init_func.__name__ != "__init__" or from_config is not None:
            raise TypeError(
                "@configurable without arguments decorates an __init__ method; write "
                "@configurable(from_config=...) on any other function."
            )
        return _wrap_init(init_func)
    if from_config is None:
        return configurable  # "@configurable()" is "@configurable"
    if not inspect.isfunction(from_config):
        raise TypeError(f"from_config of @configurable must be a function, but is {from_config!r}.")

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return _wrap_function(function, from_config)

    return decorate


def _wrap_init(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        if _takes_cfg(args, kwargs):
            # Of the object's own class, so that a subclass may translate its cfg in another way.
            init(self, **_explicit_arguments(_from_config_of(type(self)), args, kwargs))
        else:
            init(self, *args, **kwargs)

    return wrapper


def _wrap_function(function: Callable[..., Any], from_config: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _takes_cfg(args, kwargs):
            return function(**_explicit_arguments(from_config, args, kwargs))
        return function(*args, **kwargs)

    wrapper.from_config = from_config  # type: ignore[attr-defined]
    return wrapper


def _from_config_of(cls: type) -> Callable[..., Any]:
    method = getattr(cls, "from_config", None)
    if method is None:
        raise AttributeError(
            f"{cls.__name__} was called with a cfg, but has no classmethod from_config: add one to the class "
            "whose __init__ is @configurable."
        )
    if not inspect.ismethod(method):
        raise TypeError(f"{cls.__name__}.from_config must be a classmethod: decorate it with @classmethod.")
    return method


def _takes_cfg(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return isinstance(args[0] if args else kwargs.get("cfg"), _CfgNode)


def _explicit_arguments(
    from_config: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """
    What ``from_config`` returns for its own part of the arguments, overridden by the rest of the keywords.
    """
    parameters = inspect.signature(from_config).parameters
    if next(iter(parameters), None) != "cfg":
        raise TypeError(f"The first argument of {from_config.__qualname__} must be named cfg.")
    if any(p.kind in _VARIADIC for p in parameters.values()):
        own, rest = kwargs, {}
    else:
        own = {k: v for k, v in kwargs.items() if k in parameters}
        rest = {k: v for k, v in kwargs.items() if k not in parameters}
    explicit = from_config(*args, **own)
    if not isinstance(explicit, dict):
        raise TypeError(f"{from_config.__qualname__} must return a dict, but returned {type(explicit).__name__}.")
    return {**explicit, **rest}


# A tree that code without access to a cfg may look into. Empty until set_global_cfg().
global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """A fresh copy of the default tree."""
    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """
    Makes ``global_cfg`` hold what ``cfg`` holds. For experiments: code that takes values is easier to follow.
    """
    global_cfg.clear()
    global_cfg.update(cfg)
