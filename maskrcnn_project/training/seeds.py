"""
Random numbers as a function of what they are for: of a run's seed and a sample's place in it, or an iteration.

A run that draws them so is the same with any number of data workers, and goes on after a stop as if there had been
none: there is no state of a generator to keep.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(*parts: int) -> int:
    """31 bits that differ, as hashes do, wherever one of some integers differs."""
    text = ",".join(map(str, parts)).encode("ascii")
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") >> 1


def seed_generators(seed: int) -> None:
    """Sets the generators that training draws from: Python's, NumPy's, and torch's on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it the generators of the CPU begin at ``seed``; afterwards they are as before."""
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # not those of the devices
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
