"""
Trainings by the tool that are killed at random moments, asked to stop, or met by another: what is left is whole, and
what they learn in the end is what an undisturbed one learns, bit for bit.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.places import ROOT
from tests.plugin.test_run_folder_end_to_end import TINY, write_set

STEPS = 12
RUN = [*TINY, "SOLVER.MAX_ITER", STEPS, "SOLVER.CHECKPOINT_PERIOD", 1, "TEST.EVAL_PERIOD", 0, "INPUT.MIN_SIZE_TRAIN",
       "(48,56,64)", "DATALOADER.NUM_WORKERS", 2, "EVALUATION.REPORT", False]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data"), 10)


def start(data, run, *pairs, flags=()):
    words = ["--images", data / "img", "--annotations", data / "a.json", "--backbone", "resnet18", "--short-edge", 64]
    command = [sys.executable, ROOT / "tools" / "train_net.py", *words, "--output", run, "--batch-size", 2, "--resume"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return subprocess.Popen([*map(str, [*command, *flags, *RUN, *pairs])], **pipes)


def finish(process):
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said[-3000:]
    return said


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """The weights of a run that nobody touched."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(start(data, run))
    return weights_of(run)


def weights_of(run):
    return torch.load(run / "model_final.pth", weights_only=False)["model"]


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(torch.as_tensor(ours[name]), torch.as_tensor(theirs[name]))]
    assert different == []


def wait_for(run, iterations, process):
    """Until a checkpoint of so many iterations is there, or the process has ended."""
    while process.poll() is None and not (run / f"model_{iterations - 1:07d}.pth").is_file():
        time.sleep(0.02)


def kill_loop(data, run, kills, seed):
    """How many kills a run survived until its end; at most ``kills``, the last start goes to the end."""
    chance = random.Random(seed)
    survived = 0
    for _ in range(kills):
        process = start(data, run)
        deadline = time.monotonic() + chance.uniform(1, 9)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[0][-3000:]
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        survived += 1
        pointer = run / "last_checkpoint"
        if pointer.is_file():  # whatever was being written, what it names is whole
            torch.load(run / pointer.read_text(), weights_only=False)
    finish(start(data, run))
    return survived


def test_two_kills(data, undisturbed, tmp_path):
    assert kill_loop(data, tmp_path / "run", 2, seed=1) == 2
    assert_same(weights_of(tmp_path / "run"), undisturbed)
    assert [path.name for path in (tmp_path / "run").glob(".*part*")] == []


def test_a_run_cut_between_its_last_iteration_and_its_end_is_brought_to_it(data, undisturbed, tmp_path):
    finish(start(data, tmp_path / "run"))
    (tmp_path / "run" / "model_final.pth").unlink()
    (tmp_path / "run" / "last_checkpoint").write_text(f"model_{STEPS - 1:07d}.pth")
    (tmp_path / "run" / "inference" / "metrics.json").unlink(missing_ok=True)
    finish(start(data, tmp_path / "run"))
    assert_same(weights_of(tmp_path / "run"), undisturbed)
    assert (tmp_path / "run" / "inference" / "coco_instances_results.json").is_file()
    assert "Nothing is left to train" in finish(start(data, tmp_path / "run"))


@pytest.mark.slow
def test_fifty_kills(data, undisturbed, tmp_path):
    survived, number = 0, 0
    while survived < 50:
        number += 1
        survived += kill_loop(data, tmp_path / f"run{number}", 50 - survived, seed=100 + number)
        assert_same(weights_of(tmp_path / f"run{number}"), undisturbed)


@pytest.mark.parametrize(
    "name", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.slow), pytest.param("SIGHUP", marks=pytest.mark.slow)]
)
def test_a_signal_to_the_whole_group_stops_it_with_a_checkpoint(name, data, undisturbed, tmp_path):
    """As timeout, systemd and Slurm send it: the data workers leave it to the training."""
    process = start(data, tmp_path / "run")
    wait_for(tmp_path / "run", 3, process)
    os.killpg(process.pid, getattr(signal, name))
    said = process.communicate(timeout=120)[0]
    assert process.returncode == (130 if name == "SIGINT" else 75), said[-3000:]
    assert "Traceback" not in said and "--resume goes on from there" in said
    finish(start(data, tmp_path / "run"))
    assert_same(weights_of(tmp_path / "run"), undisturbed)


@pytest.mark.slow
def test_two_processes_and_a_kill(data, tmp_path):
    for run, is_cut in (("whole", False), ("cut", True)):
        if is_cut:
            process = start(data, tmp_path / run, flags=("--num-gpus", 2))
            wait_for(tmp_path / run, 4, process)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        finish(start(data, tmp_path / run, flags=("--num-gpus", 2)))
    assert_same(weights_of(tmp_path / "cut"), weights_of(tmp_path / "whole"))


def test_a_second_run_in_the_same_folder_is_refused(data, tmp_path):
    long = ("SOLVER.MAX_ITER", 10_000, "SOLVER.CHECKPOINT_PERIOD", 5)
    process = start(data, tmp_path / "run", *long)
    wait_for(tmp_path / "run", 5, process)
    other = start(data, tmp_path / "run", *long)
    said = other.communicate(timeout=120)[0]
    assert other.returncode == 1 and f"is in use: process {process.pid} on " in said and "Traceback" not in said
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    lock = tmp_path / "run" / ".run.lock"
    assert str(process.pid) in lock.read_text()  # of a dead process: no lock
    after = start(data, tmp_path / "run", *long)
    while after.poll() is None and str(after.pid) not in lock.read_text():
        time.sleep(0.05)
    os.killpg(after.pid, signal.SIGTERM)
    assert "is in use" not in after.communicate(timeout=120)[0]


@pytest.mark.slow
def test_the_processes_of_all_gpus_end_with_their_launcher(data, tmp_path):
    process = start(data, tmp_path / "run", "SOLVER.MAX_ITER", 10_000, flags=("--num-gpus", 2))
    wait_for(tmp_path / "run", 2, process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("processes were left behind")


@pytest.mark.slow
def test_an_image_that_breaks_in_mid_run(data, tmp_path):
    """An error leaves a checkpoint of the last whole iteration; with skip another image takes its place."""
    folder = write_set(tmp_path / "own", 10)
    process = start(folder, tmp_path / "run", "DATALOADER.NUM_WORKERS", 0)
    wait_for(tmp_path / "run", 2, process)
    for image in (folder / "img").iterdir():
        image.write_bytes(b"")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and "Traceback" not in said, said[-3000:]
    assert "Traceback" in (tmp_path / "run" / "log.txt").read_text()
    assert re.search(r"Iteration \d+ was the last whole one: --resume goes on after it", said)
    write_set(tmp_path / "again", 10)
    for image in (tmp_path / "again" / "img").iterdir():
        (folder / "img" / image.name).write_bytes(image.read_bytes())
    whole = start(folder, tmp_path / "whole", "DATALOADER.NUM_WORKERS", 0)
    finish(whole)
    finish(start(folder, tmp_path / "run", "DATALOADER.NUM_WORKERS", 0))
    assert_same(weights_of(tmp_path / "run"), weights_of(tmp_path / "whole"))


@pytest.mark.slow
def test_with_skip_a_broken_image_costs_itself(tmp_path):
    folder = write_set(tmp_path / "own", 20)
    skip = ["DATALOADER.ON_ERROR", "skip", "DATALOADER.ERROR_BUDGET", 0.1]
    process = start(folder, tmp_path / "run", *skip)
    wait_for(tmp_path / "run", 1, process)
    split = json.loads((tmp_path / "run" / "dataset" / "train.json").read_text())
    broken = split["images"][0]["file_name"]
    (folder / "img" / broken).write_bytes(b"")
    said = finish(process)
    listed = tmp_path / "run" / "left_out.txt"
    if listed.is_file():  # it was its turn after it broke
        assert broken in listed.read_text() and "another image takes its place" in said
