"""Out of memory: recognised whoever says it, answered with what to lower, in order."""

import subprocess
import sys

import pytest
import torch

from maskrcnn_project.config import get_config
from maskrcnn_project.training.memory import is_out_of_memory, out_of_memory_error, peak_memory, what_to_lower
from maskrcnn_project.training.run import halve_batch


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),  # somebody's text, not an allocator's
    ],
)
def test_who_says_it(error, expected):
    assert is_out_of_memory(error) is expected


def test_the_least_harmful_comes_first():
    cfg = get_config()
    cfg.SOLVER.IMS_PER_BATCH, cfg.INPUT.MIN_SIZE_TRAIN, cfg.MODEL.RESNETS.DEPTH = 4, (640, 800), 101
    advice = what_to_lower(cfg).split("; then ")
    assert advice[0].startswith("SOLVER.IMS_PER_BATCH 2 SOLVER.ACCUMULATE_STEPS 2 ")
    assert advice[-3].startswith("INPUT.MIN_SIZE_TRAIN (640,) ")
    assert advice[-2].startswith("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 256 ")
    assert advice[-1].startswith("MODEL.RESNETS.DEPTH 50 ")


def test_a_batch_of_one_cannot_be_halved():
    cfg = get_config()
    cfg.SOLVER.IMS_PER_BATCH = 1
    assert "IMS_PER_BATCH" not in what_to_lower(cfg)


def test_the_error_is_one_sentence_with_what_came():
    error = out_of_memory_error(RuntimeError("CUDA out of memory.\nlong advice"), get_config())
    assert str(error).startswith(
        "Out of memory on cuda (CUDA out of memory): lower, in this order, SOLVER.IMS_PER_BATCH"
    )
    assert "\n" not in str(error)


def test_half_the_batch_twice_as_often(tmp_path):
    cfg = get_config()
    cfg.OUTPUT_DIR, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.ACCUMULATE_STEPS = str(tmp_path), 4, 1
    cfg.freeze()
    smaller = halve_batch(cfg)
    assert (smaller.SOLVER.IMS_PER_BATCH, smaller.SOLVER.ACCUMULATE_STEPS) == (2, 2)
    again = get_config(tmp_path / "config.yaml")
    assert again.SOLVER.ACCUMULATE_STEPS == 2  # a resumed run goes on so
    assert cfg.SOLVER.IMS_PER_BATCH == 4


@pytest.mark.parametrize(("batch", "smaller"), [(2, (1, 2)), (3, (1, 3)), (6, (3, 2)), (5, (1, 5)), (9, (3, 3))])
def test_a_step_keeps_its_number_of_images(tmp_path, batch, smaller):
    cfg = get_config()
    cfg.OUTPUT_DIR, cfg.SOLVER.IMS_PER_BATCH = str(tmp_path), batch
    halved = halve_batch(cfg)
    assert smaller == (halved.SOLVER.IMS_PER_BATCH, halved.SOLVER.ACCUMULATE_STEPS)


def test_memory_is_measured():
    assert peak_memory() > 2**20


def test_a_process_does_not_count_what_the_one_that_started_it_held():
    held = torch.ones(2**26)  # 256 MiB
    code = "from maskrcnn_project.training.memory import peak_memory; print(peak_memory())"
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**20 < int(started.stdout) < peak_memory() - held.nbytes // 2
