"""Carrying objects into other processes."""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["PicklableWrapper"]


class PicklableWrapper:
    """
    Wraps an object so that it can go to a worker process, also where it is a lambda or a local function.

    The wrapper can be called, and its attributes read, as the object itself. Lambdas and local functions need
    the package ``cloudpickle``; everything else is pickled as usual.
    """

    def __init__(self, obj: Any) -> None:
        # A wrapper of a wrapper would pickle the inner one twice.
        self._obj: Any = obj._obj if isinstance(obj, PicklableWrapper) else obj

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._obj(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_obj":  # while unpickling there is no object yet, and looking for it would recur
            raise AttributeError(name)
        return getattr(self._obj, name)

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            data = pickle.dumps(self._obj)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            data = _cloudpickle(self._obj, error)
        return _restore, (data,)


def _cloudpickle(obj: Any, error: Exception) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        raise pickle.PicklingError(
            f"{obj!r} cannot be sent to another process ({error}): define it at the top level of a module, "
            "or run 'pip install cloudpickle'."
        ) from error
    return cloudpickle.dumps(obj)


def _restore(data: bytes) -> PicklableWrapper:
    """Reads what this very program has written for its own worker; no file comes this way."""
    return PicklableWrapper(pickle.loads(data))
