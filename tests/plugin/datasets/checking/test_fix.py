"""What --fix makes of each damage; the original stays, and every change is listed."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.checking.findings import Findings, ImageFaults
from maskrcnn_project.datasets.checking.fix import fix, refuse_existing, write_fixed
from maskrcnn_project.datasets.checking.fixes import Change
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode
from tests.plugin.datasets.checking.damages import ANYWHERE, DAMAGES
from tests.plugin.datasets.checking.sound_set import (
    HEIGHT,
    WIDTH,
    annotation,
    found_in,
    ring,
    row_of,
    side_of,
    sound_coco,
    square,
    written,
)

# Only with the pictures, which tell whether it is the boxes that are wrong (test_fix_mends).
WITH_PICTURES = {"boxes-differ"}
MENDABLE = [rule_id for rule_id in DAMAGES if RULES[rule_id].fixes and rule_id not in WITH_PICTURES]
# A file in two wrong frames at once has no one meaning.
MIXABLE = [rule_id for rule_id in MENDABLE if DAMAGES[rule_id][1] is not ANYWHERE]


def damaged(*rule_ids):
    coco = sound_coco()
    for rule_id in rule_ids:
        DAMAGES[rule_id][0](coco)
    return coco


def fixed(coco, findings=None):
    """The fixed content and its changes; fails unless the original is as it was."""
    tables = side_of(coco)
    before = repr((tables.images, tables.annotations, tables.categories))
    result, changes = fix(tables, findings, grow_outlines=True, progress=False)
    assert repr((tables.images, tables.annotations, tables.categories)) == before
    return json.loads(json.dumps(result)), changes


def fixed_rules(coco):
    """The broken rules that fixing is for."""
    return {rule_id for rule_id in found_in(coco) if RULES[rule_id].fixes}


def test_a_sound_file_stays_as_it_is():
    assert fixed(sound_coco()) == (sound_coco(), [])


@pytest.mark.parametrize("rule_id", MENDABLE)
def test_a_fixed_file_does_not_break_the_rule_again(rule_id):
    coco, changes = fixed(damaged(rule_id))
    assert fixed_rules(coco) == set()
    assert {change.rule for change in changes} == {rule_id}
    assert fixed(coco) == (coco, [])


@pytest.mark.parametrize("rule_id", MENDABLE)
def test_a_fixed_file_can_be_trained_on(rule_id, tmp_path):
    coco, _ = fixed(damaged(rule_id))
    read_coco_file(written(coco, tmp_path / "fixed.json"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(MIXABLE), st.integers(2, len(MIXABLE)))
def test_many_damages_at_once(order, number):
    coco = sound_coco()
    for rule_id in order[:number]:
        try:
            DAMAGES[rule_id][0](coco)
        except (KeyError, StopIteration, TypeError, IndexError, ValueError, AttributeError):
            continue  # an earlier damage left nothing to do this one to
    coco, _ = fixed(coco)
    assert fixed_rules(coco) == set()
    assert fixed(coco) == (coco, [])


def test_malformed_rows_go_and_numbers_in_quotes_are_read():
    coco = sound_coco()
    coco["images"][0].update(id="1", height="100", width=120.0)
    row_of(coco, 11).update(id="11", image_id=1.0)
    row_of(coco, 12).update(category_id=None)
    result, changes = fixed(coco)
    assert [row["id"] for row in result["annotations"]] == [11, 13, 21, 22, 23, 31]
    assert result["images"] == sound_coco()["images"]
    assert row_of(result, 11) == row_of(sound_coco(), 11)
    assert changes[-1] == Change("row-malformed", "annotations", 1, 12, None, {**row_of(coco, 12)}, None)


def test_the_same_file_under_one_id_is_one_entry():
    coco = sound_coco()
    coco["images"].append({**coco["images"][0], "file_name": "./1.png"})
    assert set(found_in(coco)) == {"image-id-repeated"}
    result, changes = fixed(coco)
    assert result == sound_coco() and [change.rule for change in changes] == ["image-id-repeated"]


def test_another_file_under_a_used_id_gets_a_new_one_and_no_annotation():
    result, _ = fixed(damaged("image-id-repeated"))
    assert [(row["id"], row["file_name"]) for row in result["images"]][-1] == (4, "other.png")
    assert not [row for row in result["annotations"] if row["image_id"] == 4]


def test_entries_of_one_file_become_one_with_all_annotations():
    result, _ = fixed(damaged("file-repeated"))
    assert result["images"] == sound_coco()["images"]
    assert [row["id"] for row in result["annotations"] if row["image_id"] == 3] == [31, 41]


@pytest.mark.parametrize(
    ("was", "now"), [(None, 0), ("1", 1), ("True", 1), (" 1", 1), (2, 0), ("no", 0), ([], 0), (float("nan"), 0)]
)
def test_iscrowd_is_one_only_if_it_reads_so(was, now):
    coco = sound_coco()
    row_of(coco, 12)["iscrowd"] = was
    result, _ = fixed(coco)
    assert row_of(result, 12)["iscrowd"] == now and type(row_of(result, 12)["iscrowd"]) is int


@pytest.mark.parametrize(
    ("rule_id", "number", "key", "now"),
    [
        ("box-malformed", 12, "bbox", [50, 20, 30, 30]),
        ("box-empty", 12, "bbox", [50, 20, 30, 30]),
        ("box-outside", 13, "bbox", [90, 70, 30, 30]),
        ("box-corners", 12, "bbox", [50, 20, 30, 30]),
        ("box-mask-differ", 12, "bbox", [50, 20, 30, 30]),
        ("area-wrong", 12, "area", 900),
        ("key-missing", 11, "area", 400),
        ("key-missing", 22, "iscrowd", 0),
        ("key-missing", 22, "area", 500),
        ("annotation-id-repeated", 32, "bbox", [50, 20, 30, 30]),
        ("polygon-flat", 11, "segmentation", [square(10, 20, 20)[0]]),
        ("polygon-short", 11, "segmentation", [square(10, 20, 20)[0]]),
        ("polygon-not-finite", 11, "segmentation", [square(10, 20, 20)[0]]),
        ("rle-all-crowd", 22, "iscrowd", 0),
    ],
)
def test_what_is_written(rule_id, number, key, now):
    result, changes = fixed(damaged(rule_id))
    assert row_of(result, number)[key] == now
    assert rule_id in {change.rule for change in changes}


@pytest.mark.parametrize(
    ("rule_id", "gone"),
    [
        ("image-unknown", [12]),
        ("category-unknown", [12]),
        ("mask-malformed", [22]),
        ("polygon-short", [12, 13]),
        ("rle-malformed", [22]),
        ("mask-empty", [11, 22]),
        ("instance-duplicate", [41]),
    ],
)
def test_what_is_removed(rule_id, gone):
    coco = damaged(rule_id)
    result, changes = fixed(coco)
    before, after = ([row["id"] for row in content["annotations"]] for content in (coco, result))
    assert [number for number in before if number not in after] == gone
    removed = [change for change in changes if change.key is None]
    assert sorted(change.annotation_id for change in removed) == gone
    assert all(change.was == row_of(coco, change.annotation_id) and change.now is None for change in removed)


def test_a_bow_tie_becomes_two_triangles():
    coco = damaged("polygon-crossing")
    result, _ = fixed(coco)
    now = row_of(result, 11)["segmentation"]
    assert sorted(len(polygon) for polygon in now) == [6, 6]
    assert {(20, 30), (10, 20), (10, 40)} == set(zip(*[iter(min(now))] * 2, strict=True))
    was = row_of(coco, 11)["segmentation"]
    assert np.count_nonzero(decode(was, HEIGHT, WIDTH) ^ decode(now, HEIGHT, WIDTH)) <= 20  # along the cuts


def test_an_outline_round_its_own_hole_keeps_the_hole():
    """Two squares in one outline, the inner one twice round: the even-odd rule leaves it out."""
    coco = sound_coco()
    outline = [20, 20, 80, 20, 80, 80, 20, 80, 20, 20, 40, 40, 60, 40, 60, 60, 40, 60, 40, 40]
    row_of(coco, 31).update(segmentation=[outline], bbox=[20, 20, 60, 60], area=3200)
    assert set(found_in(coco)) == {"polygon-crossing"}
    result, _ = fixed(coco)
    mask = decode(row_of(result, 31)["segmentation"], HEIGHT, WIDTH)
    assert not mask[42:58, 42:58].any() and mask[22:38, 22:78].all() and abs(int(mask.sum()) - 3200) < 100
    assert fixed_rules(result) == set()


def test_what_lies_outside_is_cut_off():
    result, _ = fixed(damaged("mask-outside"))
    (polygon,) = row_of(result, 13)["segmentation"]
    assert sorted(zip(*[iter(polygon)] * 2, strict=True)) == [(90, 80), (90, 100), (120, 80), (120, 100)]


def test_a_mask_and_box_wholly_outside_are_removed():
    coco = sound_coco()
    row_of(coco, 11).update(segmentation=[square(200, 20, 20)[0]], bbox=[200, 20, 20, 20])
    row_of(coco, 12).update(segmentation=[], bbox=[-40, 20, 20, 20])
    result, changes = fixed(coco)
    assert {change.rule: change.annotation_id for change in changes} == {"mask-empty": 11, "box-outside": 12}
    assert fixed_rules(result) == set()


def test_run_lengths_are_compressed_to_the_same_mask():
    result, _ = fixed(damaged("rle-uncompressed"))
    assert isinstance(row_of(result, 22)["segmentation"]["counts"], str)
    assert np.array_equal(decode(row_of(result, 22)["segmentation"], HEIGHT, WIDTH), ring())


def test_corners_without_masks():
    """Only boxes that leave the image show it; those that would be boxes either way stay."""
    coco = sound_coco()
    for row in coco["annotations"]:
        x, y, w, h = row["bbox"]
        row.update(segmentation=[], bbox=[x, y, x + w, y + h], iscrowd=0)
    assert found_in(coco)["box-corners"] == [(1, 12), (1, 13), (2, 22), (2, 23)]
    result, _ = fixed(coco)
    assert row_of(result, 12)["bbox"] == [50, 20, 30, 30] and row_of(result, 11)["bbox"] == [10, 20, 30, 40]


def test_a_category_whose_last_annotation_went_may_become_a_root():
    coco = damaged("category-root")
    coco["annotations"].append(annotation(41, 1, 0, "nothing", [5, 5, 10, 10], 100))
    result, changes = fixed(coco)
    assert [change.rule for change in changes] == ["mask-malformed", "category-root"]
    assert result == sound_coco()


def test_images_that_cannot_be_used_go_with_their_annotations():
    findings = Findings()
    findings.image_faults["train"] = ImageFaults(unusable={1: "image-truncated", 3: "image-missing"})
    result, changes = fixed(sound_coco(), findings)
    assert [row["id"] for row in result["images"]] == [2]
    assert [row["id"] for row in result["annotations"]] == [21, 22, 23]
    assert {change.rule: change.image_id for change in changes} == {"image-missing": 3, "image-truncated": 1}


def test_the_true_size_is_written_where_everything_lies_within():
    coco = sound_coco()
    for row, height in zip(coco["images"], (90, 130, 75), strict=True):
        row["height"] = height
    findings = Findings()
    # image 2 has run lengths of the stated height, and the true height of image 3 cuts its triangle
    findings.image_faults["train"] = ImageFaults(sizes={1: (100, 120), 2: (130, 119), 3: (70, 120)})
    coco["images"][1]["height"] = 100
    result, changes = fixed(coco, findings)
    sizes = [(change.image_id, change.key, change.was, change.now) for change in changes if change.rule == "image-size"]
    assert sizes == [(1, "height", 90, 100)]
    assert [row["height"] for row in result["images"]] == [100, 100, 75]


def test_a_wrong_size_is_fixed_before_the_masks_that_it_made_wrong():
    coco = sound_coco()
    coco["images"][1].update(height=WIDTH, width=HEIGHT)
    findings = Findings()
    findings.image_faults["train"] = ImageFaults(sizes={2: (HEIGHT, WIDTH)})
    assert "rle-size" in found_in(coco)
    assert fixed(coco, findings)[0] == sound_coco()


def test_one_mistake_behind_all_annotations_is_left_to_the_user():
    coco = sound_coco()
    for row in coco["annotations"]:
        row["category_id"] += 100
    with pytest.raises(DatasetError, match=r"would remove all 7 annotations \(category-unknown\)"):
        fixed(coco)


def test_files_are_written_and_nothing_is_overwritten(tmp_path):
    coco, changes = fixed(damaged("box-corners"))
    output, listed = write_fixed(coco, changes, tmp_path / "new" / "fixed.json")
    assert json.loads(output.read_text()) == coco
    (change,) = json.loads(listed.read_text())
    assert change == {"rule": "box-corners", "table": "annotations", "image_id": 1, "annotation_id": 12,
                      "key": "bbox", "was": [50, 20, 80, 50], "now": [50, 20, 30, 30]}  # fmt: skip
    before = output.read_text()
    with pytest.raises(DatasetError, match=r"fixed\.json exists already"):
        write_fixed({}, [], output)
    assert output.read_text() == before
    output.unlink()
    with pytest.raises(DatasetError, match=r"fixed\.changes\.json exists already"):
        write_fixed({}, [], output)
    assert sorted(path.name for path in output.parent.iterdir()) == ["fixed.changes.json"]


def test_two_outputs_of_one_name_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="written twice"):
        refuse_existing(tmp_path / "a.json", None, tmp_path / "a.json")


def test_the_original_is_not_shared_with_the_result():
    coco = sound_coco()
    tables = side_of(coco)
    result, _ = fix(tables, progress=False)
    result["annotations"][0]["bbox"] = None
    result["images"].clear()
    again = copy.deepcopy(tables)
    assert again.annotations == coco["annotations"] and again.images == coco["images"]
