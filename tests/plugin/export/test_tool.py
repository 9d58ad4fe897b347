"""tools/export_model.py as a user runs it."""

import os
import subprocess
import sys

import pytest
import torch

from tests.places import ROOT


def tool(*arguments, code=0):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools/export_model.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_run_becomes_a_file(run_folder, tmp_path):
    target = tmp_path / "model.ts"
    options = ["--format", "torchscript", "--output", target, "--no-paste", "--score-threshold", 0.25]
    said = tool("--run", run_folder, *options, "DATASETS.TEST", "()")
    assert "tolerated" in said and f"{target}: " in said and "NO" not in said
    extra = {"metadata.json": ""}
    torch.jit.load(str(target), _extra_files=extra)
    assert b'"masks": "box"' in extra["metadata.json"] and b'"score_threshold": "0.25"' in extra["metadata.json"]
    assert "exists already" in tool("--run", run_folder, *options, code=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--output", "a.onnx"], "Give either --run DIR"),
        (["--run", "r", "--output", "a.onnx", "--score-threshold", "1.5"], "between 0 and 1, but 1.5"),
        (["--run", "r", "--output", "a.pt"], "must end in .onnx: a.pt"),
        (["--run", "r", "--output", "no/folder/a.onnx"], "folder of --output no/folder/a.onnx does not exist"),
        (["--run", "r", "--output", "a.onnx", "--height", "64"], "at least 128, but are 64 and 320"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, sentence):
    said = tool("--format", "onnx", *arguments, code=1)
    assert said.startswith("error: ") and sentence in said and len(said.splitlines()) == 1
