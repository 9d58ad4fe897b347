"""The rules that matter most, on photographs of cell nuclei: silent as they are, found and fixed where damaged."""

import copy
import json

import pytest

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.fix import fix
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from tests.places import NUCLEI as ROOT
from tests.plugin.datasets.checking.sound_set import found_in, side_of


@pytest.fixture(scope="module")
def nuclei():
    """Half of its masks are polygons, half run lengths. The outlines, which miss half a pixel all round, are grown."""
    if not ROOT.is_dir():
        pytest.skip("the nuclei (shared/data/nuclei beside the repository) are not there")
    coco = json.loads((ROOT / "val.json").read_text())
    coco["images"] = coco["images"][:4]
    kept = {image["id"] for image in coco["images"]}
    coco["annotations"] = [row for row in coco["annotations"] if row["image_id"] in kept]
    return fix(side_of(coco), grow_outlines=True, progress=False)[0]


def as_corners(row):
    x, y, w, h = row["bbox"]
    row["bbox"] = [x, y, x + w, y + h]


def crossed(row):
    half = len(row["segmentation"][0]) // 4 * 2
    row["segmentation"][0][half:] = [x for pair in reversed(list(zip(*[iter(row["segmentation"][0][half:])] * 2,
                                                                     strict=True))) for x in pair]  # fmt: skip


# rule, of which kind the masks have to be, what to do to one annotation
DAMAGES = [
    ("image-unknown", list, lambda row: row.update(image_id=10_000)),
    ("category-unknown", dict, lambda row: row.update(category_id=7)),
    ("key-missing", list, lambda row: row.pop("area")),
    ("crowd-malformed", dict, lambda row: row.update(iscrowd="0")),
    ("box-malformed", list, lambda row: row.pop("bbox")),
    ("box-empty", dict, lambda row: row["bbox"].__setitem__(2, 0)),
    ("box-corners", list, as_corners),
    ("box-corners", dict, as_corners),
    ("box-mask-differ", dict, lambda row: row["bbox"].__setitem__(3, 3 * row["bbox"][3])),
    ("mask-malformed", dict, lambda row: row["segmentation"].pop("counts")),
    ("polygon-flat", list, lambda row: row.update(segmentation=row["segmentation"][0])),
    ("polygon-part-short", list, lambda row: row["segmentation"].append([5, 5, 6, 6])),
    ("polygon-not-finite", list, lambda row: row["segmentation"][0].__setitem__(0, float("nan"))),
    ("polygon-crossing", list, crossed),
    ("rle-size", dict, lambda row: row["segmentation"].update(size=[520, 696])),
    ("rle-malformed", dict, lambda row: row["segmentation"].update(counts=row["segmentation"]["counts"][:-2])),
    ("area-wrong", list, lambda row: row.update(area=3 * row["area"])),
]


def test_the_whole_set_is_silent():
    if not ROOT.is_dir():
        pytest.skip("the nuclei (shared/data/nuclei beside the repository) are not there")
    splits = [SplitTables.read(split, ROOT / f"{split}.json", ROOT / split) for split in ("train", "val")]
    findings = check_dataset(*splits, progress=False)
    assert {finding.rule.id for finding in findings} == {"images-few", "polygon-centres"}
    assert fix(splits[1], findings, progress=False)[1] == []


@pytest.mark.parametrize(("rule_id", "kind", "damage"), DAMAGES)
def test_one_damaged_annotation_is_found_and_fixed(nuclei, rule_id, kind, damage):
    coco = copy.deepcopy(nuclei)
    big = [row for row in coco["annotations"] if isinstance(row["segmentation"], kind) and min(row["bbox"]) > 9]
    row = max(big, key=lambda row: row["area"])
    number = row["id"]
    damage(row)
    found = found_in(coco)
    assert found.pop(rule_id) == [(row["image_id"], number)]
    assert set(found) <= {"area-wrong"} if rule_id == "polygon-crossing" else not found
    fixed, changes = fix(side_of(coco), progress=False)
    assert rule_id in {change.rule for change in changes}
    assert {change.annotation_id for change in changes} == {number}
    assert not [rule for rule in found_in(fixed) if RULES[rule].fixes]


def test_a_file_of_corners_becomes_what_it_was(nuclei):
    coco = copy.deepcopy(nuclei)
    for row in coco["annotations"]:
        as_corners(row)
    fixed, _ = fix(side_of(coco), progress=False)
    near = [
        all(abs(now - was) <= 1 for now, was in zip(new["bbox"], old["bbox"], strict=True))
        for new, old in zip(fixed["annotations"], nuclei["annotations"], strict=True)
    ]
    assert all(near)


def test_every_instance_twice(nuclei):
    coco = copy.deepcopy(nuclei)
    rows = coco["annotations"]
    coco["annotations"] = rows + [{**row, "id": 10_000 + row["id"]} for row in rows]
    fixed, changes = fix(side_of(coco), progress=False)
    assert {change.rule for change in changes} == {"instance-duplicate"}
    assert fixed["annotations"] == rows


def test_all_marked_as_crowds(nuclei):
    coco = copy.deepcopy(nuclei)
    for row in coco["annotations"]:
        row["iscrowd"] = 1
    assert set(found_in(coco)) == {"rle-all-crowd", "images-without-objects"}
    assert fix(side_of(coco), progress=False)[0] == nuclei
