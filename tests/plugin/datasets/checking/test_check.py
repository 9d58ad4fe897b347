"""Every rule is found where a file is damaged in its way, and nowhere else; a sound file is silent."""

import pytest

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.rules import RULES
from tests.plugin.datasets.checking.damages import ANYWHERE, DAMAGES
from tests.plugin.datasets.checking.sound_set import AMOUNTS, found_in, other_coco, side_of, sound_coco

# Tested where the image files are (test_image_rules), and below for train against val.
OF_FILES = {rule_id for rule_id in RULES if rule_id.startswith("image-") and rule_id not in DAMAGES}
OF_BOTH = {"categories-differ", "annotations-in-both"}
# Tested with their pictures (test_alignment_rules).
OF_PICTURES = {"annotations-mirrored", "annotations-off-edges"}
# A damage that cannot but break a second rule.
UNAVOIDABLE = {
    "table-empty": {"category-unused", "images-without-objects"},
    "polygons-normalised": {"mask-empty", "area-wrong"},  # less than a pixel each
    "polygons-percent": {"area-wrong"},
    "polygons-swapped": {"mask-outside"},
    "rows-differ": {"box-mask-differ"},  # the last row has the box of the first
    "annotations-shifted": {"mask-outside", "rle-size"},
    "rle-all-crowd": {"images-without-objects"},  # training would see none
    "image-too-crowded": {"masks-all-boxes"},  # it is crowded with squares
}


def test_a_sound_file_is_silent():
    assert found_in(sound_coco()) == {}
    assert found_in(sound_coco(), val=other_coco()) == {}
    assert found_in(sound_coco(), quick=True) == {}


def test_every_rule_has_a_damage():
    assert {*DAMAGES, *OF_FILES, *OF_BOTH, *OF_PICTURES, *AMOUNTS} == set(RULES)


@pytest.mark.parametrize("rule_id", DAMAGES)
def test_a_damage_is_found_by_its_rule_alone(rule_id):
    damage, places = DAMAGES[rule_id]
    coco = sound_coco()
    damage(coco)
    found = found_in(coco)
    where = found.pop(rule_id)
    assert places is ANYWHERE or sorted(where, key=str) == sorted(places, key=str)
    assert set(found) == UNAVOIDABLE.get(rule_id, set())


@pytest.mark.parametrize("rule_id", DAMAGES)
def test_quick_leaves_out_what_takes_long(rule_id):
    damage, _ = DAMAGES[rule_id]
    coco = sound_coco()
    damage(coco)
    assert (rule_id in found_in(coco, quick=True)) == RULES[rule_id].quick


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[1].update(name="bolt"), "id 5 is 'nut' in train and 'bolt' in val"),
        (lambda rows: rows.reverse(), "the order of the ids is [1, 5] in train and [5, 1] in val"),
        (lambda rows: rows.append({"id": 7, "name": "bolt"}), "id 7 is nothing in train and 'bolt' in val"),
    ],
)
def test_train_and_val_have_to_agree(change, words):
    val = sound_coco()
    change(val["categories"])
    findings = check_dataset(side_of(sound_coco()), side_of(val, "val"), progress=False)
    (finding,) = findings.of("categories-differ")
    assert finding.split == "val" and [example.detail for example in finding.examples] == [words]


def test_a_root_category_on_one_side_is_no_difference():
    with_root = sound_coco()
    DAMAGES["category-root"][0](with_root)
    assert set(found_in(with_root, val=other_coco())) == {"category-root"}


def test_a_category_that_owns_instances_in_train_is_no_root_in_val():
    train, val = sound_coco(), other_coco()
    for coco in (train, val):
        DAMAGES["category-root"][0](coco)
    train["annotations"][0]["category_id"] = 0
    assert set(found_in(train, val=val)) == {"category-unused"}


def test_the_masks_of_an_image_of_train_in_val():
    """Image 2 holds run lengths, which no two photographs share; the squares of image 1 may be in any."""
    val = sound_coco()
    val["images"][1]["file_name"] = "saved_again.jpg"
    findings = check_dataset(side_of(sound_coco()), side_of(val, "val"), progress=False)
    (finding,) = findings.of("annotations-in-both")
    assert finding.split == "val" and finding.count == 1
    assert (finding.examples[0].image_id, finding.examples[0].detail) == (2, "those of image 2 of train (2.png)")


def test_nothing_is_a_dataset_too():
    """That of a training set without anything is an error: training refuses it."""
    assert set(found_in({"images": [], "annotations": [], "categories": []})) == {"table-empty"}


def test_rows_of_any_kind_raise_nothing():
    """Every value of every row in turn is one that no exporter should write."""
    for nonsense in (None, "x", [], {}, [[]], [None], True, -1, 1e300, float("nan"), {"size": [1], "counts": "~"}):
        for table in ("images", "annotations", "categories"):
            for key in sound_coco()[table][0]:
                coco = sound_coco()
                for row in coco[table]:
                    row[key] = nonsense
                found_in(coco, val=sound_coco())
