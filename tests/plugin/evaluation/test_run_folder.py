import json
import runpy
import sys

import pytest
import yaml
from detectron2.data import DatasetCatalog

from maskrcnn_project.evaluation.run_folder import pairs_of_run, score_threshold_of
from tests.places import ROOT
from tests.plugin.evaluation.small_pairs import rectangle, write_coco

TOOL = ROOT / "tools/evaluate_results.py"


def row(x1, y1, x2, y2, **more):
    """An annotation or a detection of a cell in image 1."""
    place = {"bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": rectangle(x1, y1, x2, y2)}
    return {"image_id": 1, "category_id": 3, **place, **more}


@pytest.fixture
def make_run(tmp_path):
    """Makes folders of runs that were evaluated on one cell (0, 0, 8, 8) and found what is given."""

    def make(name, *found, truth=((0, 0, 8, 8),)):
        data, run = tmp_path / "data" / name, tmp_path / name
        (data / "images").mkdir(parents=True)
        (run / "inference").mkdir(parents=True)
        annotations = [row(*box, id=number, area=64, iscrowd=0) for number, box in enumerate(truth, start=1)]
        _, results = write_coco(data, annotations, [row(*box, score=score) for score, *box in found])
        results.rename(run / "inference/coco_instances_results.json")
        description = {"name": "cells", "splits": {"val": {"json": "truth.json", "images": "images"}}}
        (data / "cells.yaml").write_text(yaml.safe_dump(description))
        config = {
            "DATASETS": {"DESCRIPTIONS": [str(data / "cells.yaml")], "TEST": ["cells_val"]},
            "PREDICT": {"SCORE_THRESHOLD": 0.25},
            "OUTPUT_DIR": "somewhere/else",
        }
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        return run

    return make


def test_a_run_is_read_wherever_it_lies_and_leaves_no_name_behind(make_run):
    before = DatasetCatalog.list()
    first, second = make_run("first", (0.9, 0, 0, 8, 8)), make_run("second", (0.8, 0, 0, 8, 4), (0.3, 10, 10, 15, 15))
    for run, found in ((first, 1), (second, 2)):  # both name their set cells_val, and mean another folder
        pairs = pairs_of_run(run)
        assert (pairs.name, pairs.class_names, len(pairs.pairs[0].found)) == ("cells_val", ("cell", "dirt"), found)
        assert pairs.image_root is not None and pairs.image_root.name == "images"
    assert DatasetCatalog.list() == before
    assert score_threshold_of(first) == 0.25


def test_what_is_no_evaluated_run_is_refused(make_run, tmp_path):
    with pytest.raises(FileNotFoundError, match="is no run: it has no config.yaml"):
        pairs_of_run(tmp_path)
    run = make_run("run", (0.9, 0, 0, 8, 8))
    with pytest.raises(ValueError, match="was evaluated on cells_val, not on other"):
        pairs_of_run(run, "other")
    (run / "inference/coco_instances_results.json").unlink()
    with pytest.raises(FileNotFoundError, match="run train_net.py --eval-only --output .*run first"):
        pairs_of_run(run)


def test_a_set_that_nothing_describes_is_named(make_run):
    run = make_run("run", (0.9, 0, 0, 8, 8))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["DATASETS"]["DESCRIPTIONS"] = []
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="names the set cells_val, which none of its DATASETS.DESCRIPTIONS describes"):
        pairs_of_run(run)


def run_tool(monkeypatch, capsys, *arguments, code=None):
    """Output and errors of the tool; ``code``: it ends with this one."""
    monkeypatch.setattr(sys, "argv", ["evaluate_results.py", *map(str, arguments)])
    try:
        runpy.run_path(str(TOOL), run_name="__main__")
        ended = None
    except SystemExit as end:
        ended = end.code
    said = capsys.readouterr()
    assert ended == code, said.err
    return said.out + said.err


def test_two_runs_are_compared(make_run, tmp_path, monkeypatch, capsys):
    runs = make_run("poor", (0.9, 0, 0, 8, 5)), make_run("good", (0.9, 0, 0, 8, 8))
    arguments = ["--compare", *runs, "--output", tmp_path / "out", "--resamples", 20]
    said = run_tool(monkeypatch, capsys, *arguments)
    assert "B has 70.0 points more of mask AP, but 1 image is too few to tell which is better, however large" in said
    html = (tmp_path / "out/compare.html").read_text("utf-8")
    assert "poor or good?" in html and "its image is not there" in html
    assert "add --force" in run_tool(monkeypatch, capsys, *arguments, code=1)
    run_tool(monkeypatch, capsys, *arguments, "--force")


def test_runs_on_different_data_are_refused(make_run, tmp_path, monkeypatch, capsys):
    runs = make_run("one", (0.9, 0, 0, 8, 8)), make_run("other", (0.9, 0, 0, 8, 8), truth=[(0, 0, 9, 9)])
    said = run_tool(monkeypatch, capsys, "--compare", *runs, "--output", tmp_path / "out", code=1)
    assert (
        "error: one and other were not evaluated on the same ground truth: the objects of image 1 (1.png) differ"
        in said
    )


def test_results_are_judged_without_a_run(tmp_path, monkeypatch, capsys):
    truth, results = write_coco(tmp_path, [row(0, 0, 8, 8, id=1, area=64, iscrowd=0)], [row(0, 0, 8, 8, score=0.4)])
    arguments = ["--annotations", truth, "--results", results, "--output", tmp_path / "out"]
    assert "mask AP 100.0, box AP 100.0" in run_tool(monkeypatch, capsys, *arguments, "--score-threshold", 0.3)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["num_found"] == 1 and metrics["mask"]["AP50"] == pytest.approx(100)
    assert (tmp_path / "out/per_class.csv").is_file()
    assert "Evaluation: results.json" in (tmp_path / "out/report.html").read_text("utf-8")
    assert "add --force" in run_tool(monkeypatch, capsys, *arguments, code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--results", "r.json", "--output", "o"], "--results needs --annotations"),
        (["--compare", "a", "b", "--annotations", "x", "--output", "o"], "leave out --annotations"),
        (["--output", "o"], "one of the arguments --results --compare is required"),
    ],
)
def test_a_command_that_lacks_something_says_what(arguments, said, monkeypatch, capsys):
    assert said in run_tool(monkeypatch, capsys, *arguments, code=2)
