"""Before a training: errors end in a sentence with the commands that show and fix them; warnings do not stop it."""

import json

import pytest

from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.precheck import MAX_WARNINGS, refuse_errors, warning_lines
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.errors import DatasetError


def side_of(tmp_path, **changes):
    square = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 4, 4], "area": 16, "iscrowd": 0}
    square["segmentation"] = [[2, 2, 6, 2, 6, 6, 2, 6]]
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": 10, "width": 10}],
        "annotations": [{**square, **changes}],
        "categories": [{"id": 1, "name": "square"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(coco))
    return SplitTables.read("train", tmp_path / "a.json")


def test_a_sound_file_passes_with_its_warnings(tmp_path):
    findings = refuse_errors(side_of(tmp_path))
    assert findings.of("images-few") and findings.count("error") == 0


def test_errors_are_refused_with_the_way_to_see_and_mend_them(tmp_path):
    with pytest.raises(DatasetError) as caught:
        refuse_errors(side_of(tmp_path, category_id=7))
    sentence = str(caught.value)
    assert "category-unknown (1): " in sentence
    assert f"check_dataset.py --annotations {tmp_path / 'a.json'}." in sentence
    assert f"--fix {tmp_path / 'a_fixed.json'}" in sentence
    assert "--skip-data-check" in sentence


def test_what_cannot_be_fixed_is_not_promised(tmp_path):
    tables = side_of(tmp_path)
    tables.categories.append({"id": 1, "name": "circle"})
    with pytest.raises(DatasetError, match="category-id-repeated") as caught:
        refuse_errors(tables)
    assert "--fix" not in str(caught.value)


def test_objects_without_masks_are_refused_unless_boxes_alone_are_trained(tmp_path):
    with pytest.raises(DatasetError, match="mask-missing"):
        refuse_errors(side_of(tmp_path, segmentation=[]))
    assert refuse_errors(side_of(tmp_path, segmentation=[]), masks=False).of("mask-missing")


def test_a_limit_chosen_from_the_data_is_not_exceeded(tmp_path):
    tables = side_of(tmp_path)
    assert refuse_errors(tables, detections_per_image=0).of("image-too-crowded")
    assert not refuse_errors(tables, detections_per_image=None).of("image-too-crowded")


def test_warnings_in_a_few_lines():
    findings = Findings()
    warnings = [rule.id for rule in RULES.values() if rule.severity == "warning"]
    for rule_id in [*warnings[:3], warnings[0], "key-missing"]:
        findings.add(rule_id, "train", "so")
    findings.add(warnings[0], "val", "so")
    title = RULES[warnings[0]].title
    assert warning_lines(findings)[0] == f"Warning: {title} ({warnings[0]}: 3)" and len(warning_lines(findings)) == 3
    for rule_id in warnings[: MAX_WARNINGS + 2]:
        findings.add(rule_id, "train", "so")
    lines = warning_lines(findings)
    assert len(lines) == MAX_WARNINGS and warnings[MAX_WARNINGS + 1] in lines[-1]


def test_nothing_is_fixed_where_boxes_and_masks_do_not_belong_together(tmp_path):
    tables = side_of(tmp_path)
    [row] = tables.annotations
    far = {"bbox": [12, 2, 8, 8], "segmentation": [[6, 1, 10, 1, 10, 5, 6, 5]], "area": 16}
    tables.annotations += [{**row, **far, "id": number} for number in (2, 3, 4)]
    tables.annotations.append({**row, "id": 5, "iscrowd": "no"})  # which could be fixed
    tables.images[0].update(height=40, width=40)
    with pytest.raises(DatasetError, match="scale-differs") as caught:
        refuse_errors(tables)
    assert "--fix" not in str(caught.value)
