"""Before a training: errors end in a sentence with the commands that show and fix them; warnings do not stop it."""

import json

import pytest

from maskrcnn_project.datasets.checking.precheck import refuse_errors
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
