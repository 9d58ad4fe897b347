"""Classes of a table small enough to follow by eye: roots, new names, merged ones, a chosen few, another order."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.datasets.categories import (
    ClassChanges,
    apply_plan,
    change_classes,
    class_differences,
    find_roots_of,
    plan_classes,
)
from maskrcnn_project.errors import DatasetError


def row(number, name, parent=None):
    return {"id": number, "name": name} | ({"supercategory": parent} if parent else {})


def coco(categories, *category_ids):
    """One annotation for each of ``category_ids``, numbered from 1, on one image."""
    return {
        "images": [{"id": 1}],
        "annotations": [{"id": n, "image_id": 1, "category_id": c} for n, c in enumerate(category_ids, start=1)],
        "categories": categories,
    }


def hardware(*category_ids):
    return coco([row(7, "nut"), row(3, "screw"), row(5, "wing nut"), row(9, "bolt")], *category_ids)


def outcome(content, **changes):
    """{id: name} and the category id of each annotation, after ``changes``."""
    changed, _ = change_classes(content, ClassChanges(**changes))
    names = {category["id"]: category["name"] for category in changed["categories"]}
    return names, {annotation["id"]: annotation["category_id"] for annotation in changed["annotations"]}


# Roots.
EXPORTED = [row(0, "cells", "none"), row(1, "red", "cells"), row(2, "white", "cells")]


def test_a_root_without_annotations_is_dropped():
    changed, notes = change_classes(coco(EXPORTED, 1, 2))
    assert changed["categories"] == EXPORTED[1:]
    assert [a["category_id"] for a in changed["annotations"]] == [1, 2]  # ids stay
    assert notes == [
        "the category 'cells' (id 0) only holds the others, and no annotation has it: left out as the root that some "
        "exporters add (keep_root_category keeps it)"
    ]
    kept, notes = change_classes(coco(EXPORTED, 1, 2), ClassChanges(keep_root_category=True))
    assert kept["categories"] == EXPORTED
    assert notes == ["no annotation has the class cells"]


@pytest.mark.parametrize(
    ("categories", "used", "roots"),
    [
        (EXPORTED, (0, 1), set()),  # it has an annotation: a class like the others
        ([row(1, "person", "person"), row(2, "car", "vehicle")], (2,), set()),  # nobody's parent but its own
        ([row(1, "person", "person"), row(2, "rider", "person")], (2,), {(1, "person")}),
        ([row(0, "all"), row(1, "animal", "all"), row(2, "cat", "animal")], (2,), {(0, "all")}),  # the top one only
        ([row(0, "crack", "none"), row(1, "crack", "crack")], (1,), {(0, "crack")}),  # two of one name
        ([row(0, "a", "b"), row(1, "b", "a")], (), set()),  # a circle has no top
        ([row(0, "x"), row(1, "y"), row(2, "a", "x"), row(3, "b", "y")], (2,), {(0, "x"), (1, "y")}),
        ([row(1, "nut"), row(2, "screw")], (), set()),
    ],
)
def test_what_a_root_is(categories, used, roots):
    assert find_roots_of(coco(categories, *used)) == roots


def test_an_annotation_in_any_file_makes_a_class_of_it():
    """As where val has no instance of a class that others stand below: else train and val would differ."""
    train, val = coco(EXPORTED, 0, 1, 2), coco(EXPORTED, 1)
    assert find_roots_of(val) == {(0, "cells")}
    assert find_roots_of(train, val) == set()
    other = coco([row(0, "cubes"), row(1, "cells", "cubes")], 0)  # id 0 is another category there
    assert find_roots_of(val, other) == {(0, "cells")}


# Changes.
def test_nothing_to_change():
    content = hardware(7, 3, 5, 9)
    plan = plan_classes(content["categories"])
    assert not plan.changed
    assert apply_plan(content, plan) == (content, [])


def test_renaming_keeps_ids():
    assert outcome(hardware(7, 3), rename={"bolt": "M8"}) == (
        {7: "nut", 3: "screw", 5: "wing nut", 9: "M8"},
        {1: 7, 2: 3},
    )
    swapped = {7: "screw", 3: "nut", 5: "wing nut", 9: "bolt"}
    assert outcome(hardware(), rename={"nut": "screw", "screw": "nut"})[0] == swapped


def test_merged_classes_have_the_lowest_id():
    names, ids = outcome(hardware(7, 3, 5, 9), merge={"nut": ["nut", "wing nut"]})
    assert names == {3: "screw", 5: "nut", 9: "bolt"}
    assert ids == {1: 5, 2: 3, 3: 5, 4: 9}
    assert outcome(hardware(5), merge={"hardware": ["nut", "screw", "wing nut", "bolt"]}) == ({3: "hardware"}, {1: 3})


def test_a_few_classes_keep_their_ids():
    content = hardware(7, 3, 5, 9, 9)
    changed, notes = change_classes(content, ClassChanges(keep=["screw", "nut"]))
    assert changed["categories"] == [row(3, "screw"), row(7, "nut")]
    assert [a["id"] for a in changed["annotations"]] == [1, 2]
    assert changed["images"] == content["images"]
    assert notes == ["left out: the classes wing nut, bolt, with 3 annotations"]


def test_another_order_needs_other_ids():
    content = hardware(7, 3, 5)
    before = copy.deepcopy(content)
    changed, notes = change_classes(content, ClassChanges(keep=["wing nut", "screw", "nut", "bolt"]))
    assert changed["categories"] == [row(1, "wing nut"), row(2, "screw"), row(3, "nut"), row(4, "bolt")]
    assert [a["category_id"] for a in changed["annotations"]] == [3, 2, 1]
    assert notes == [
        "the category ids are 1 to 4, in the order of the classes to keep",
        "no annotation has the class bolt",
    ]
    assert content == before


def test_rename_merge_and_keep_follow_one_another():
    names, ids = outcome(
        hardware(7, 3, 5, 9),
        rename={"wing nut": "wing"},
        merge={"any nut": ["nut", "wing"]},
        keep=["bolt", "any nut"],
    )
    assert names == {1: "bolt", 2: "any nut"}
    assert ids == {1: 2, 3: 2, 4: 1}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"keep": ["nut", "washer", "ring"]},
            "has no classes washer, ring to keep; its classes are screw, wing nut, nut, bolt",
        ),
        ({"rename": {"washer": "ring"}}, "has no class washer to rename; its classes are screw"),
        ({"merge": {"all": ["nut", "washer"]}}, "has no class washer to merge"),
        (
            {"rename": {"nut": "M8"}, "keep": ["nut"]},
            "has no class nut to keep; its classes are screw, wing nut, M8, bolt",
        ),
        ({"rename": {"nut": "bolt"}}, "several classes of the name 'bolt': merge them into one, or rename one"),
        ({"merge": {"screw": ["nut", "bolt"]}}, "several classes of the name 'screw'"),
    ],
)
def test_names_that_do_not_fit_the_file(changes, sentence):
    with pytest.raises(DatasetError, match=f"^set.json {sentence}|^set.json would have {sentence}"):
        plan_classes(hardware()["categories"], ClassChanges(**changes), title="set.json")


def test_a_root_that_is_wanted_is_explained():
    with pytest.raises(
        DatasetError, match="less its root category 'cells', which keep_root_category keeps.* no class cells"
    ):
        change_classes(coco(EXPORTED, 1), ClassChanges(keep=["cells"]))
    doubled = coco([row(0, "crack", "none"), row(1, "crack", "crack")], 1)
    assert outcome(doubled) == ({1: "crack"}, {1: 1})
    with pytest.raises(DatasetError, match="several classes of the name 'crack'"):
        change_classes(doubled, ClassChanges(keep_root_category=True))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"keep": "nut"}, "classes to keep should be a list of names, each once, but are 'nut'"),
        ({"keep": []}, "classes to keep should be a list"),
        ({"keep": ["nut", "nut"]}, "each once"),
        ({"rename": ["nut"]}, "classes to rename should map names to new names"),
        ({"rename": {"nut": 5}}, "classes to rename should map names to new names"),
        ({"merge": {"nut": "bolt"}}, "classes to merge should map new names to lists of names"),
        ({"merge": ["nut"]}, "classes to merge should map"),
        ({"merge": {5: ["nut"]}}, "classes to merge should map"),
        (
            {"merge": {"a": ["nut"], "b": ["nut", "bolt"]}},
            "class 'nut' should be merged into one class, but is listed for two",
        ),
        ({"keep_root_category": "yes"}, "keep_root_category should be true or false, but is 'yes'"),
    ],
)
def test_changes_are_checked(changes, sentence):
    with pytest.raises(DatasetError, match=sentence):
        ClassChanges(**changes)


def test_changes_as_plain_values():
    assert ClassChanges().as_dict() == {}
    asked = {"keep": ["a"], "rename": {"b": "a"}, "merge": {"c": ["d", "e"]}, "keep_root_category": True}
    assert ClassChanges(keep=("a",), **{k: v for k, v in asked.items() if k != "keep"}).as_dict() == asked


@given(st.data())
def test_every_kept_annotation_still_has_the_name_it_should_have(data):
    """Whatever is merged and kept, in whatever order: names follow the annotations, outputs the wanted order."""
    ids = data.draw(st.lists(st.integers(0, 30), min_size=2, max_size=6, unique=True))
    names = [f"c{number}" for number in range(len(ids))]
    used = data.draw(st.lists(st.sampled_from(ids), max_size=8))
    merged = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    expected = {name: "one" if name in merged else name for name in names}
    keep = data.draw(st.lists(st.sampled_from(sorted(set(expected.values()))), min_size=1, unique=True))
    content = coco([row(*pair) for pair in zip(ids, names, strict=True)], *used)
    found_names, found = outcome(content, merge={"one": merged}, keep=keep)
    assert [found_names[key] for key in sorted(found_names)] == keep
    name_of = dict(zip(ids, names, strict=True))
    wanted = {n: expected[name_of[c]] for n, c in enumerate(used, start=1) if expected[name_of[c]] in keep}
    assert {n: found_names[c] for n, c in found.items()} == wanted


def test_differences():
    titles = ("train", "val")
    assert class_differences({1: "a", 2: "b"}, {1: "a", 2: "b"}, titles) == []
    assert class_differences({1: "a"}, {1: "b", 2: "a"}, titles) == [
        "id 1 is 'a' in train and 'b' in val",
        "id 2 is nothing in train and 'a' in val",
    ]
    assert class_differences({1: "a", 2: "b"}, {2: "b", 1: "a"}, titles) == [
        "the order of the ids is [1, 2] in train and [2, 1] in val"
    ]
