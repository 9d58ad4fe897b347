"""The page, the JSON, and the commands in them."""

import json

import pytest

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.check_report import (
    as_json,
    as_text,
    check_summary,
    fix_command,
    new_name,
    remaining,
)
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.fixes import Change
from tests.plugin.datasets.checking.damages import DAMAGES
from tests.plugin.datasets.checking.sound_set import side_of, sound_coco


def checked(*rule_ids, val=False):
    coco = sound_coco()
    for rule_id in rule_ids:
        DAMAGES[rule_id][0](coco)
    train, other = side_of(coco), side_of(sound_coco(), "val") if val else None
    return check_dataset(train, other, progress=False), train, other


def test_the_page_of_one_damage():
    lines = as_text(*checked("box-corners")).splitlines()
    assert lines[0].startswith("train: train.json: 3 images, 7 annotations, 2 categories")
    start = lines.index("ERRORS: training would stop, or learn something false")
    assert lines[start + 1 : start + 4] == [
        "  box-corners (1): boxes that seem written as [x1, y1, x2, y2]",
        "      image 1 (1.png), annotation 12: bbox [50, 20, 80, 50] reaches beyond the image, but fits as corners; "
        "so 1 of the 7 boxes of the file",
        "    -> write [x, y, width, height] (--fix: width and height are computed from the corners)",
    ]
    assert lines[-3].startswith("Not fit for training: 1 place with errors, ")
    assert lines[-1].endswith("--annotations train.json --fix train_fixed.json")


def test_the_page_says_how_many_more():
    text = as_text(*checked("rle-all-crowd"))
    assert "  rle-all-crowd (7): " in text and "      ... and 4 more" in text


def test_with_two_splits_each_finding_names_its_own_and_only_that_is_fixed():
    text = as_text(*checked("box-corners", val=True))
    assert "  box-corners in train (1): " in text
    assert text.endswith("--val-annotations val.json --fix train_fixed.json")


def test_a_note_is_not_worth_a_fix():
    assert "--fix" not in as_text(*checked("category-root")).splitlines()[-1]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([], "Sound."),
        (["key-missing", "key-missing"], "Sound: 2 places with notes."),
        (["mask-full"], "Can be trained on; look at the warnings first: 1 place with warnings."),
        (["mask-full", "image-size"], "Not fit for training: 1 place with errors, 1 place with warnings."),
    ],
)
def test_verdict(rules, words):
    findings = Findings()
    for rule_id in rules:
        findings.add(rule_id, "train", "so")
    assert check_summary(findings) == words


def test_json_holds_everything():
    report = json.loads(json.dumps(as_json(checked("box-corners")[0])))
    assert report["ok"] is False and report["counts"]["error"] == 1
    first = report["findings"][0]
    assert (first["rule"], first["severity"], first["split"], first["count"]) == ("box-corners", "error", "train", 1)
    assert first["examples"][0]["annotation_id"] == 12 and first["examples"][0]["file_name"] == "1.png"
    assert as_json(Findings()) == {"ok": True, "counts": {"error": 0, "warning": 0, "note": 0}, "findings": []}


def test_the_command_can_be_pasted_and_overwrites_nothing(tmp_path):
    findings, train, _ = checked("box-corners")
    train.json_file, train.image_root = tmp_path / "my set.json", tmp_path
    (tmp_path / "my set_fixed.json").touch()
    assert new_name(train.json_file).name == "my set_fixed_2.json"
    assert fix_command(findings, train).endswith(f"--fix '{tmp_path}/my set_fixed_2.json'")
    assert f"--images {tmp_path} --annotations '{tmp_path}/my set.json'" in fix_command(findings, train)


def test_left_over_are_errors_without_a_mend_and_those_of_the_other_split():
    findings = Findings()
    for rule_id in ("category-id-repeated", "image-size", "image-size", "box-corners", "mask-full"):
        findings.add(rule_id, "train", "so")
    heights = [Change("image-size", "images", number, None, "height", 1, 2) for number in (1, 2)]
    assert remaining(findings, {"train": heights}) == ["category-id-repeated"]
    assert remaining(findings, {"train": heights[:1]}) == ["category-id-repeated", "image-size"]
    assert remaining(findings, {"val": heights}) == ["category-id-repeated", "image-size", "box-corners"]
