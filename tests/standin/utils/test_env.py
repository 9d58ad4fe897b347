"""Seeds, and the custom environment module."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from detectron2.utils.env import fixup_module_metadata, seed_all_rng, setup_custom_environment


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_same_seed_same_draws(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    seed_all_rng(5)
    first = draws()
    seed_all_rng(5)
    assert draws() == first
    seed_all_rng(None)
    generated = draws()
    seed_all_rng(None)
    assert generated != first
    assert draws() != generated


def test_custom_environment_by_file_and_by_name(tmp_path, monkeypatch):
    (tmp_path / "my_env.py").write_text("calls = []\ndef setup_environment():\n    calls.append(1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    setup_custom_environment("my_env")
    assert sys.modules["my_env"].calls == [1]
    setup_custom_environment(str(tmp_path / "my_env.py"))  # a module of its own
    assert sys.modules["detectron2.utils.env.custom_module"].calls == [1]


def test_mistaken_custom_environment(tmp_path):
    with pytest.raises(ImportError, match=r"There is no Python file at .*nowhere\.py"):
        setup_custom_environment(str(tmp_path / "nowhere.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(AttributeError, match=r"empty\.py was named .* defines no function setup_environment"):
        setup_custom_environment(str(tmp_path / "empty.py"))


def test_importing_config_and_env_leaves_torch_alone():
    """A tool's --help answers in a second only if what it imports at the top is light."""
    program = (
        "import sys, maskrcnn_project, detectron2.config, detectron2.utils.logger, detectron2.model_zoo\n"
        "detectron2.config.get_cfg()\n"
        "print([m for m in ('torch', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_fixup_module_metadata():
    class Inner:
        def method(self):
            pass

    Inner.__module__ = Inner.method.__module__ = "package.deep.place"
    namespace = {"Inner": Inner, "_hidden": Inner, "number": 3, "join": random.choice}
    fixup_module_metadata("package.public", namespace)
    assert (Inner.__module__, Inner.__qualname__) == ("package.public", "Inner")
    assert (Inner.method.__module__, Inner.method.__qualname__) == ("package.public", "Inner.method")
    assert random.Random.__module__ == "random"  # another package's objects keep their home
