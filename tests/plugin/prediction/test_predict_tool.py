"""tools/predict.py from end to end, with a tiny model of random weights."""

import io
import json
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import pytest
import torch

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.class_table import ClassTable
from tests.contract.tiny import draw_set, tiny_cfg
from tests.places import ROOT
from tests.plugin.prediction.films import write_film

TOOL = str(ROOT / "tools" / "predict.py")


def tool(*arguments, code=0):
    """What it says on both streams; fails unless it ends with ``code``."""
    said, argv = io.StringIO(), [TOOL, *map(str, arguments), "--score-threshold", "0.2"]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(said), redirect_stderr(said):
        try:
            runpy.run_path(TOOL, run_name="__main__")
            ended = 0
        except SystemExit as end:
            ended = end.code
    assert ended == code, said.getvalue()
    return said.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with random weights, and a folder of four images, one that is none, and a video."""
    root = tmp_path_factory.mktemp("predict")
    for name in ("run", "in"):
        (root / name).mkdir()
    cfg = tiny_cfg(root / "run")
    add_maskrcnn_config(cfg)
    torch.manual_seed(0)
    weights = {"model": build_model(cfg).state_dict(), "classes": ClassTable(("square", "disk"), (3, 7)).state_dict()}
    torch.save(weights, root / "run/model_final.pth")
    (root / "run/config.yaml").write_text(cfg.dump())
    draw_set(root / "in")
    (root / "in/broken.png").write_bytes(b"no image")
    write_film(root / "in/film.mp4", frames=3)
    return root


@pytest.fixture(scope="module")
def alone(folder):
    """The output of one process, and what it said."""
    return folder / "alone", tool(
        "--run", folder / "run", "--input", folder / "in", "--output", folder / "alone", code=1
    )


def test_everything_that_can_be_read_is_predicted(folder, alone):
    output, said = alone
    assert f"Weights: {folder / 'run/model_final.pth'}" in said
    content = json.loads((output / "predictions.json").read_text())
    assert f"{len(content['annotations'])} instances in 7 images at score 0.2 or above: {output}" in said
    assert len(content["annotations"]) > 0 and {c["id"] for c in content["categories"]} == {3, 7}
    assert "warning: broken.png could not be read: " in said and "warning: 1 input could not be read." in said
    assert sorted(p.name for p in output.iterdir()) == [
        *(".journal", "film.mp4", "measurements.csv"),
        *(f"picture_{number}.png" for number in range(4)),
        "predictions.json",
    ]


def test_again_needs_no_more_than_the_journal(folder, alone):
    output, _ = alone
    before = (output / "predictions.json").read_bytes()
    said = tool("--run", folder / "run", "--input", folder / "in", "--output", output, code=1)  # one is still broken
    assert "in 7 images" in said and "(7 of them done earlier)" in said
    assert (output / "predictions.json").read_bytes() == before


def test_two_processes_find_the_same(folder, alone):
    output, _ = alone
    inputs = ["--run", folder / "run", "--input", folder / "in", "--output", folder / "two", "--score-threshold", 0.2]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--", TOOL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [str(word) for word in (*launch, *inputs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr  # for the broken image, as alone
    assert "in 7 images" in done.stdout and "warning: 1 input could not be read." in done.stderr
    for name in ("predictions.json", "measurements.csv", "picture_3.png"):
        assert (folder / "two" / name).read_bytes() == (output / name).read_bytes()
    lines = [len(file.read_text().splitlines()) for file in sorted((folder / "two/.journal").glob("*.jsonl"))]
    assert len(lines) == 2 and sum(lines) == 7 and min(lines) >= 2


def test_the_best_weights_are_preferred_and_other_settings_refused(folder, alone):
    output, _ = alone
    best = folder / "run/model_best.pth"
    best.write_bytes((folder / "run/model_final.pth").read_bytes())
    said = tool("--run", folder / "run", "--input", folder / "in", "--output", output, code=1)
    best.unlink()
    assert f"Weights: {best}" in said
    assert said.splitlines()[-1].startswith(f"error: {output} holds predictions made with other settings (the weights")


def test_augmentation_is_another_setting(folder, alone):
    output, _ = alone
    said = tool("--run", folder / "run", "--input", folder / "in", "--output", output, "--tta", code=1)
    assert "(TEST.AUG.ENABLED was False and is True)" in said
