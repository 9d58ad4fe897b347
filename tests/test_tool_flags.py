"""
One flag, one name and one meaning in all tools: a flag that is not in the table fails until it is placed in it, and so
does one that takes another kind of value than the table says. train_net has a table of its own
(tests/plugin/training/test_flags.py).
"""

import argparse
import json
import runpy
import sys
from unittest import mock

import cv2
import numpy as np
import pytest

from maskrcnn_project.resources import find_resource
from tests.places import ROOT

APART = ("evaluate_results", "train_net")
TOOLS = [file.stem for file in sorted((ROOT / "tools").glob("*.py")) if file.stem not in APART]
# What a flag takes, by its metavar: "" where it takes nothing, a tuple where it means the same of several things.
COMMON = {
    "--annotations": "FILE",
    "--config-file": "FILE",
    "--force": "",
    "--images": "DIR",
    "--output": ("FILE", "DIR", "PATH"),
    "--run": "DIR",
    "--score-threshold": "P",
    "--weights": "FILE",
}
VOCABULARY = {
    **COMMON,
    # which data
    "--dataset": "NAME",
    "--examples": "DIR",
    "--folder": "DIR",
    "--input": "PATH",
    "--labels": "DIR",
    "--results": "FILE",
    "--samples": "PATH",
    "--source": "choice",
    "--split": ("NAME", "choice"),
    "--val-annotations": "FILE",
    "--val-images": "DIR",
    # how much of it
    "--annotated-only": "",
    "--batch-size": "N",
    "--classes": ("A,B,C", "NAME"),
    "--num-images": "N",
    "--num-instances": "N",
    "--number": "N",
    "--page": "N",
    "--objects": "N",
    "--quick": "",
    "--repeats": "N",
    "--seed": "N",
    "--workers": "N",
    # sizes
    "--height": "H",
    "--width": "W",
    "--size": "H W",
    "--tile": "SIZE",
    "--tile-overlap": "N",
    # finding
    "--lowest-score": "P",
    "--overlap": "choice",
    "--tta": "",
    # formats and what is written
    "--fix": "FILE",
    "--val-fix": "FILE",
    "--grow-outlines": "",
    "--report": "FILE",
    "--json": "",
    "--format": "choice",
    "--from": "choice",
    "--to": "choice",
    "--layout": "choice",
    "--class-from": "choice",
    "--write": "LIST",
    "--no-pictures": "",
    "--pixel-size": "S",
    "--unit": "NAME",
    "--polygon-tolerance": "PIXELS",
    "--quality": "Q",
    # splitting, merging, cutting
    "--drop-empty": "",
    "--group-by": "KEY",
    "--group-by-name": "REGEX",
    "--keep-empty": "",
    "--min-visible": "P",
    "--only": "IMAGE",
    "--only-list": "FILE",
    "--parts": "PART=SHARE",
    "--prefixes": "NAME",
    "--root": "DIR",
    "--same-image": "choice",
    # models and exports
    "--depth": "N",
    "--detections-per-image": "N",
    "--device": "NAME",
    "--no-memory": "",
    "--no-paste": "",
    "--opset": "N",
    # the page
    "--allow-host": "NAME",
    "--host": "ADDRESS",
    "--max-mb": "N",
    "--max-megapixels": "N",
    "--open": "",
    "--port": "N",
}
# Names that flags had before: they stay, beside the common one.
EARLIER = {
    ("visualize_data", "--output-dir"): "--output",
    ("visualize_json_results", "--conf-threshold"): "--score-threshold",
    ("visualize_json_results", "--input"): "--results",
    ("export_model", "--overwrite"): "--force",
    ("check_dataset", "--json"): "--report",
    ("benchmark_data", "--images"): "--num-images",
    ("benchmark_data", "--instances"): "--num-instances",
    ("edit_dataset", "--size"): "--tile",
    ("edit_dataset", "--overlap"): "--tile-overlap",
}


class Captured(Exception):
    """Carries the parser of a tool out of it."""


def parser_of(name):
    """The parser that ``tools/NAME.py`` parses its words with."""

    def capture(self, *words, **more):
        raise Captured(self)

    path = str(ROOT / "tools" / f"{name}.py")
    with mock.patch.object(argparse.ArgumentParser, "parse_args", capture), mock.patch.object(sys, "argv", [path]):
        try:
            runpy.run_path(path, run_name="__main__")
        except Captured as end:
            return end.args[0]
    raise AssertionError(f"{name} parses nothing")


def flags_of(parser):
    """All actions with names that begin with two lines, those of subcommands included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from flags_of(below)
        elif action.option_strings and action.dest != "help":
            yield action


def kind_of(action):
    if action.nargs == 0:
        return ""
    if action.choices and not action.metavar:
        return "choice"
    return " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar or action.dest.upper()


def kinds(wanted):
    """What an entry of the table allows."""
    return wanted if isinstance(wanted, tuple) else (wanted,)


@pytest.mark.parametrize("name", TOOLS)
def test_every_flag_is_in_the_vocabulary(name):
    for action in flags_of(parser_of(name)):
        first, *others = action.option_strings
        assert first in VOCABULARY, f"{name} {first}: place it in the table, or take the name that is there"
        wanted, kind = VOCABULARY[first], kind_of(action)
        assert kind in kinds(wanted), f"{name} {first} takes {kind}, but is {wanted} elsewhere"
        assert action.help is not None or first == "--val-images", f"{name} {first} says nothing of itself"
        for other in others:
            assert EARLIER.get((name, other)) == first, f"{name} {other} is no earlier name of {first}"


def test_the_tables_hold_no_flag_that_is_gone():
    actions = {name: list(flags_of(parser_of(name))) for name in TOOLS}
    named = {action.option_strings[0] for each in actions.values() for action in each}
    assert named == set(VOCABULARY)
    others = {(name, other) for name, each in actions.items() for a in each for other in a.option_strings[1:]}
    assert others == set(EARLIER)


def test_tools_that_stand_apart_share_the_common_names():
    for name in APART:
        for action in flags_of(parser_of(name)):
            wanted = COMMON.get(action.option_strings[0])
            assert wanted is None or kind_of(action) in kinds(wanted), (name, action)


WITH_A_CONFIG = {
    "analyze_dataset": "--images {folder} --annotations {folder}/set.json --quick",
    "analyze_model": "--no-memory",
    "benchmark": "--json",
    "export_model": "--format onnx --output a.onnx",
    "predict": "--input {folder}/a.png",
    "serve": "--port 0",
    "visualize_data": "",
    "visualize_json_results": "--results no.json --output out",
}


@pytest.mark.parametrize("name", WITH_A_CONFIG)
def test_a_config_of_the_project_is_found_from_any_folder(name, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    image, row = {"id": 1, "file_name": "a.png", "height": 8, "width": 8}, {"id": 1, "image_id": 1, "category_id": 1}
    row |= {"bbox": [1, 1, 4, 4], "segmentation": [[1, 1, 5, 1, 5, 5]], "area": 8, "iscrowd": 0}
    content = {"images": [image], "annotations": [row], "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "set.json").write_text(json.dumps(content))
    config, path, asked = "configs/quick/mask_rcnn_R_18_FPN_shapes.yaml", str(ROOT / "tools" / f"{name}.py"), []

    def found(file):
        asked.append(find_resource(file))  # which raises where it is not found
        sys.exit(7)

    words = WITH_A_CONFIG[name].format(folder=tmp_path).split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("maskrcnn_project.config.find_resource", found)
    monkeypatch.setattr(sys, "argv", [path, "--config-file", config, *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name="__main__")
    assert (end.value.code, asked) == (7, [ROOT / config])


def test_every_tool_with_a_config_is_asked():
    with_one = {name for name in TOOLS if "--config-file" in {a.option_strings[0] for a in flags_of(parser_of(name))}}
    assert with_one == set(WITH_A_CONFIG)
