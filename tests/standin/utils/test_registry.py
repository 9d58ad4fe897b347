"""Look-up by name."""

from __future__ import annotations

import os.path
import sys

import pytest
from detectron2.utils.registry import Registry, locate


def test_register_and_get():
    registry = Registry("THING")

    @registry.register()
    class A:
        pass

    registry.register(len)
    assert registry.get("A") is A
    assert registry.get("len") is len
    assert "A" in registry
    assert dict(registry) == {"A": A, "len": len}
    with pytest.raises(AssertionError, match="already registered"):
        registry.register(A)


def test_error_lists_what_is_registered():
    registry = Registry("THING")
    with pytest.raises(KeyError, match="No object named 'A' is in the THING registry; registered: none yet;"):
        registry.get("A")
    registry.register(str)
    registry.register(int)
    with pytest.raises(KeyError, match="registered: int, str; register it before"):
        registry.get("A")


def test_names_outside_the_scope_say_so_unless_registered():
    registry = Registry("ROI_HEADS")
    with pytest.raises(KeyError, match="PointRend is not in this stand-in: install the real Detectron2"):
        registry.get("PointRendROIHeads")
    own = type("PointRendROIHeads", (), {})
    registry.register(own)
    assert registry.get("PointRendROIHeads") is own


def test_locate():
    assert locate("os.path.join") is os.path.join
    assert locate("detectron2.utils.registry") is sys.modules["detectron2.utils.registry"]
    assert locate("detectron2.utils.registry.Registry.get") is Registry.get


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_such_package.thing", "no module named 'no_such_package' is installed"),
        ("os.path.nothing", "os.path has no 'nothing'"),
        ("os.path.join.nothing.more", "os.path.join has no 'nothing'"),
    ],
)
def test_locate_nothing(name, sentence):
    with pytest.raises(ImportError, match=sentence):
        locate(name)


def test_locate_passes_on_the_error_of_an_existing_module(tmp_path, monkeypatch):
    (tmp_path / "needs_something.py").write_text("import not_installed_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        locate("needs_something.thing")
