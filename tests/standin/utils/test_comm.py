"""Collectives with one process, and with two over gloo."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from detectron2.utils import comm


def test_one_process():
    assert (comm.get_world_size(), comm.get_rank(), comm.get_local_rank(), comm.get_local_size()) == (1, 0, 0, 1)
    assert comm.is_main_process()
    comm.synchronize()
    assert comm.all_gather({"a": 1}) == [{"a": 1}]
    assert comm.gather("x") == ["x"]
    losses = {"b": torch.tensor(2.0)}
    assert comm.reduce_dict(losses) is losses
    with pytest.raises(AssertionError, match="no local process group"):
        comm.get_local_process_group()


def test_shared_random_seed_follows_numpys_generator():
    np.random.seed(3)
    first = comm.shared_random_seed()
    np.random.seed(3)
    assert comm.shared_random_seed() == first
    assert 0 <= first < 2**31


WORKER = """
import sys
import maskrcnn_project
import numpy as np, torch, torch.distributed as dist
from detectron2.utils import comm
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
try:
    comm.create_local_process_group(3)
except ValueError as error:
    assert "2 processes cannot be split into machines of 3" in str(error), error
comm.create_local_process_group(1)
assert (comm.get_rank(), comm.get_world_size(), comm.is_main_process()) == (rank, 2, rank == 0)
assert (comm.get_local_rank(), comm.get_local_size()) == (0, 1)  # each is alone on its machine
comm.synchronize()
assert comm.all_gather({"rows": [1] * (rank + 1)}) == [{"rows": [1]}, {"rows": [1, 1]}]
assert comm.all_gather(rank, group=comm.get_local_process_group()) == [rank]
assert comm.gather(rank * 10, dst=1) == ([0, 10] if rank == 1 else [])
np.random.seed(rank)
seeds = comm.all_gather(comm.shared_random_seed())
np.random.seed(0)
assert seeds == [np.random.randint(2**31)] * 2, seeds  # rank 0's draw
names = ["a", "b"] if rank == 0 else ["b", "a"]  # filled in different orders
mean = comm.reduce_dict({n: torch.tensor(float(ord(n)) + rank) for n in names})
total = comm.reduce_dict({n: torch.tensor(float(ord(n)) + rank) for n in names}, average=False)
if rank == 0:
    assert {n: float(v) for n, v in mean.items()} == {"a": 97.5, "b": 98.5}
    assert {n: float(v) for n, v in total.items()} == {"a": 195.0, "b": 197.0}
print("fine")
"""


def test_two_processes(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "rendezvous")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert out.strip() == "fine", err
