"""Two processes on the CPU, started by ``launch`` and by torchrun, train as one process with the whole batch does."""

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detectron2.engine import launch
from torch.multiprocessing import ProcessRaisedException

JOB = Path(__file__).with_name("launch_job.py")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def job(monkeypatch):
    """launch_job as a module that started processes can import, on a machine without GPUs."""
    monkeypatch.syspath_prepend(str(JOB.parent))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield importlib.import_module("launch_job")
    del sys.modules["launch_job"]


def check(job, folder):
    """The job's two processes did what this one does with the whole batch."""
    alone = job.train(job.Regression(), job.whole_batches())
    result = json.loads((folder / "result.json").read_text())
    assert result["world_size"] == result["local_size"] == 2
    assert result["losses"] == pytest.approx([v for v, _ in alone.storage.history("total_loss").values()])
    for name, value in torch.load(folder / "trained.pth", weights_only=True).items():
        torch.testing.assert_close(value, alone.model.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert result["handed_on"] == [True, True]  # weights that only the main process could read


def test_started_processes_train_as_one_and_an_exception_comes_through(tmp_path, job):
    with pytest.raises(ProcessRaisedException, match="ValueError: the second process has had enough"):
        launch(job.main, 2, dist_url="auto", args=(str(tmp_path), True))
    check(job, tmp_path)


def test_processes_of_torchrun_are_joined_and_none_is_started(tmp_path, job):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    # the variables that torchrun sets
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([sys.executable, str(JOB), str(tmp_path)], env={**shared, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    check(job, tmp_path)  # two processes, not two for each of them


def test_one_process_runs_right_here():
    seen = []
    launch(seen.append, 1, args=("here",))
    assert seen == ["here"]


def test_machines_need_a_place_to_meet():
    with pytest.raises(ValueError, match="tcp://HOST:PORT of machine 0 to join 2 machines, but is 'auto'"):
        launch(print, 1, num_machines=2, dist_url="auto")
