"""The report on the machine."""

from __future__ import annotations

import stat

import pytest
import torch
from detectron2.utils import collect_env


def test_report_names_what_a_bug_report_needs(monkeypatch):
    monkeypatch.setenv("DETECTRON2_ENV_MODULE", "")
    report = collect_env.collect_env_info()
    for word in (torch.__version__, "+standin @", "GPU available", "numpy", "fvcore", "DETECTRON2_ENV_MODULE"):
        assert word in report
    assert collect_env.collect_torch_env() in report


def test_env_module(monkeypatch):
    monkeypatch.delenv("DETECTRON2_ENV_MODULE", raising=False)
    assert collect_env.get_env_module() == ("DETECTRON2_ENV_MODULE", "<not set>")
    monkeypatch.setenv("DETECTRON2_ENV_MODULE", "mine")
    assert collect_env.get_env_module() == ("DETECTRON2_ENV_MODULE", "mine")


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("echo 'ELF file 1: a.1.sm_90a.cubin'; echo 'ELF file 2: a.2.sm_80.cubin'", "8.0, 9.0"),
        ("echo 'a.sm_120.cubin'; echo 'a.sm_120.cubin'", "12.0"),
        ("true", "x.so; holds no GPU code"),
        ("echo broken >&2; exit 1", "x.so; cuobjdump failed: broken"),
    ],
)
def test_compute_capabilities(tmp_path, script, answer):
    tool = tmp_path / "bin" / "cuobjdump"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert collect_env.detect_compute_compatibility(str(tmp_path), "x.so") == answer


def test_no_toolkit():
    assert collect_env.detect_compute_compatibility("", "x.so") == "x.so; cannot find cuobjdump"


@pytest.mark.skipif(torch.cuda.device_count() > 1, reason="would talk to the GPUs")
def test_nccl_needs_two_gpus(capsys):
    collect_env.test_nccl_ops()
    assert "at least two GPUs" in capsys.readouterr().out
    collect_env.main()
    assert "GPU available" in capsys.readouterr().out
