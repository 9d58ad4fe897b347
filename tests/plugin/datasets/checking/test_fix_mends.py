"""What --fix mends without removing a row: the finding has said already what is meant."""

import json

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.fix import fix
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode, encode
from tests.plugin.datasets.odd_sets import (
    HEIGHT,
    IMAGES,
    WIDTH,
    along_rows,
    boxes,
    each,
    halved,
    in_percent,
    of_next_row,
    points,
    polygons,
    put,
    renumbered,
    run_lengths,
    segmentations,
    sound,
    without,
)

LARGE = 2**70


def in_two(rle):
    """The mask as two run lengths in a list, the left part and the right one."""
    mask = decode(rle, HEIGHT, WIDTH)
    parts = mask.copy(), mask.copy()
    parts[0][:, 35:], parts[1][:, :35] = False, False
    return [encode(part) for part in parts]


def counts_of(rle):
    """The lengths of the runs, as a plain list."""
    pixels = decode(rle, HEIGHT, WIDTH).T.ravel().astype(int)
    borders = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff([0, *borders, len(pixels)]).tolist()
    return [0, *lengths] if pixels[0] else lengths


def by_name(key):
    """Annotations refer to their class or image by its name."""

    def build():
        coco = sound()
        table, name = ("categories", "name") if key == "category_id" else ("images", "file_name")
        names = {row["id"]: row[name] for row in coco[table]}
        for row in coco["annotations"]:
            row[key] = names[row[key]]
        return json.dumps(coco)

    return build


def one_class():
    """A file of one class, which no annotation names."""
    coco = sound()
    coco["categories"] = coco["categories"][:1]
    for row in coco["annotations"]:
        row["category_id"] = None
    return json.dumps(coco)


def pairs(segmentation):
    return [list(zip(polygon[::2], polygon[1::2], strict=True)) for polygon in segmentation]


# name -> (builder, the masks of the sound set)
MENDED = {
    "backslashes": (put("images", "file_name", "..\\label\\1.png"), "both"),
    "a prefix": (each("images", lambda row: row.update(file_name="data/" + row["file_name"])), "both"),
    "capitals": (each("images", lambda row: row.update(file_name=row["file_name"].upper())), "both"),
    "no annotation ids": (without("annotations", "id", only=(1, 4)), "both"),
    "annotation ids null": (put("annotations", "id", None, only=range(12)), "both"),
    "no sizes": (without("images", "height", only=(0, 2)), "both"),
    "sizes null": (each("images", lambda row: row.update(width=None)), "both"),
    "text ids": (renumbered("images", "image_id", lambda i: f"image-{i}"), "both"),
    "text ids of classes": (renumbered("categories", "category_id", lambda i: f"c{i}"), "both"),
    "image ids of 71 bits": (renumbered("images", "image_id", lambda i: LARGE + i), "both"),
    "category ids of 71 bits": (renumbered("categories", "category_id", lambda i: LARGE + i), "both"),
    "annotation ids of 71 bits": (renumbered("annotations", "", lambda i: LARGE + i), "both"),
    "negative image ids": (renumbered("images", "image_id", lambda i: -i), "both"),
    "a class called 7": (put("categories", "name", 7), "both"),
    "a class of two lines": (put("categories", "name", "nut\nM3"), "both"),
    "a class without a name": (put("categories", "name", None), "both"),
    "pairs of points": (polygons(pairs), "polygons"),
    "pairs of points, one polygon": (polygons(lambda s: pairs(s)[0]), "polygons"),
    "points as objects": (polygons(lambda s: [[{"x": x, "y": y} for x, y in pairs(s)[0]]]), "polygons"),
    "one list too many": (polygons(lambda s: [s]), "polygons"),
    "polygons as a text": (polygons(json.dumps), "polygons"),
    "a flat polygon": (polygons(lambda s: s[0]), "polygons"),
    "run lengths of bytes": (run_lengths(lambda rle: {**rle, "counts": str(rle["counts"].encode())}), "rle"),
    "run lengths in a list": (run_lengths(lambda rle: [rle]), "rle"),
    "two run lengths in a list": (run_lengths(in_two), "rle"),
    "boxes in 0..1": (boxes(lambda x, y, w, h: [x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT]), "both"),
    "polygons in 0..1": (points(lambda x, y: (x / WIDTH, y / HEIGHT), "polygons"), "polygons"),
    "boxes of y, x": (boxes(lambda x, y, w, h: [y, x, h, w]), "both"),
    "polygons of y, x": (points(lambda x, y: (y, x)), "both"),
    "run lengths of the size exchanged": (
        run_lengths(lambda rle: {**rle, "size": [WIDTH, HEIGHT]}),
        "rle",
    ),
    "run lengths as bare counts": (run_lengths(lambda rle: counts_of(rle)), "rle"),
    "rows of pixels": (run_lengths(lambda rle: decode(rle, HEIGHT, WIDTH).astype(int).tolist()), "rle"),
    "boxes of the centre": (boxes(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]), "both"),
    "classes by name": (by_name("category_id"), "both"),
    "images by name": (by_name("image_id"), "both"),
    "the only class not named": (one_class, "both"),
    "names with a blank behind": (each("images", lambda row: row.update(file_name=row["file_name"] + " ")), "both"),
    "names in percent": (each("images", lambda row: row.update(file_name=f"x%2F{row['file_name']}?v=2")), "both"),
    "names of another kind": (each("images", lambda row: row.update(file_name=f"{row['id']}.jpg")), "both"),
    "names without a suffix": (each("images", lambda row: row.update(file_name=f"{row['id']}")), "both"),
    "run lengths of the transposed mask": (run_lengths(lambda rle: encode(decode(rle, HEIGHT, WIDTH).T)), "rle"),
    "boxes in percent": (boxes(in_percent), "both"),
    "polygons in percent": (points(lambda x, y: (100 * x / WIDTH, 100 * y / HEIGHT), "polygons"), "polygons"),
    "run lengths along the rows": (segmentations(along_rows, "rle"), "rle"),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(1, IMAGES + 1):
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    return folder


def checked(content, images):
    """The tables, and the ids of the broken rules but for those on amounts."""
    tables = SplitTables.of_content("train", "set.json", images, content)
    findings = check_dataset(tables, progress=False)
    return tables, findings, {f.rule.id for f in findings if f.rule.severity == "error"}


@pytest.mark.parametrize("name", MENDED)
def test_no_row_is_removed_and_every_mask_and_box_is_right(name, images):
    build, masks = MENDED[name]
    tables, findings, errors = checked(json.loads(build()), images)
    assert errors
    fixed, changes = fix(tables, findings, progress=False)
    assert not [change for change in changes if change.key is None]
    assert checked(fixed, images)[2] == set()
    assert len(fixed["annotations"]) == 12
    for row, was in zip(fixed["annotations"], sound(masks)["annotations"], strict=True):
        assert np.allclose(row["bbox"], was["bbox"], atol=1e-6)
        same = decode(row["segmentation"], HEIGHT, WIDTH) == decode(was["segmentation"], HEIGHT, WIDTH)
        assert same.mean() > 0.999
    assert [(row["height"], row["width"]) for row in fixed["images"]] == [(HEIGHT, WIDTH)] * IMAGES
    files = {row["id"]: row["file_name"] for row in fixed["images"]}
    assert [files[row["image_id"]] for row in fixed["annotations"]] == [
        f"{row['image_id']}.png" for row in sound()["annotations"]
    ]


def test_a_new_id_is_none_that_an_annotation_of_another_image_has(images):
    """Image 2 lost its id; annotations of an image that is not listed say 5, the next number that is free."""
    content = sound()
    content["images"][1]["id"] = None
    for row in content["annotations"]:
        row["image_id"] = {2: 5}.get(row["image_id"], row["image_id"])
    tables, findings, _ = checked(content, images)
    fixed, changes = fix(tables, findings, progress=False)
    assert fixed["images"][1]["id"] == 6
    assert {row["image_id"] for row in fixed["annotations"]} == {1, 3, 4}
    assert len([change for change in changes if change.key is None]) == 3


def test_boxes_are_written_anew_only_where_the_pictures_show_that_the_masks_are_right(tmp_path):
    """Bright objects on dark ground. The boxes of one file lie elsewhere, in the other the masks do."""
    content = sound("polygons")
    for image in content["images"]:
        picture = np.full((HEIGHT, WIDTH), 40, np.uint8)
        for row in content["annotations"]:
            if row["image_id"] == image["id"]:
                x, y, w, h = row["bbox"]
                picture[y : y + h, x : x + w] = 200
        Image.fromarray(picture).save(tmp_path / image["file_name"])
    elsewhere = boxes(lambda x, y, w, h: [x / 3, 0.6 * y + 20, 4, 4], "polygons")
    tables, findings, errors = checked(json.loads(elsewhere()), tmp_path)
    assert errors == {"boxes-differ"}
    fixed, _ = fix(tables, findings, progress=False)
    assert [row["bbox"] for row in fixed["annotations"]] == [row["bbox"] for row in content["annotations"]]
    tables, findings, errors = checked(json.loads(points(lambda x, y: (x / 3, 0.6 * y + 20), "polygons")()), tmp_path)
    assert "boxes-differ" in errors
    with pytest.raises(DatasetError, match="nothing is written: .*boxes-differ"):
        fix(tables, findings, progress=False)


def test_a_size_is_not_written_for_annotations_of_another_scale(images):
    """The JSON was made for pictures of half the size: that of the files would not fit its annotations."""
    content = json.loads(points(lambda x, y: (x / 2, y / 2), "polygons")())
    for row in content["annotations"]:
        row["bbox"] = [side / 2 for side in row["bbox"]]
    for row in content["images"]:
        row.update(height=HEIGHT // 2, width=WIDTH // 2)
    tables, findings, errors = checked(content, images)
    assert "image-size" in errors
    assert "image-size" not in {change.rule for change in fix(tables, findings, progress=False)[1]}


def test_run_lengths_of_half_the_size_are_enlarged(images):
    """Each pixel becomes two by two: the objects have even corners, and all but the hole's corner."""
    tables, findings, _ = checked(json.loads(run_lengths(halved)()), images)
    fixed, changes = fix(tables, findings, progress=False)
    assert [change.rule for change in changes] == ["rle-size", "rle-size"]
    for row, was in zip(fixed["annotations"], sound("rle")["annotations"], strict=True):
        one, other = (decode(each["segmentation"], HEIGHT, WIDTH) for each in (row, was))
        assert (one & other).sum() / (one | other).sum() > 0.95


def test_run_lengths_without_a_box_are_read_as_most_others_are(images):
    content = json.loads(run_lengths(lambda rle: encode(decode(rle, HEIGHT, WIDTH).T))())
    del content["annotations"][0]["bbox"]
    tables, findings, _ = checked(content, images)
    fixed, _ = fix(tables, findings, progress=False)
    was = sound("rle")["annotations"][0]
    assert fixed["annotations"][0]["segmentation"]["size"] == [HEIGHT, WIDTH]
    assert (
        decode(fixed["annotations"][0]["segmentation"], HEIGHT, WIDTH) == decode(was["segmentation"], HEIGHT, WIDTH)
    ).all()


def test_a_name_that_several_images_mean_is_not_given_twice(images):
    content = json.loads(put("images", "file_name", "x/2.png", only=(0, 1))())
    tables, findings, _ = checked(content, images)
    fixed, changes = fix(tables, findings, progress=False)
    assert {change.rule for change in changes} == {"image-missing"} and len(fixed["images"]) == IMAGES - 2


@pytest.mark.parametrize(
    ("build", "rule_id"),
    [
        (boxes(lambda *box: [side / 2 for side in box]), "scale-differs"),
        (points(lambda x, y: (x / 2, y / 2), "polygons"), "scale-differs"),
        (boxes(lambda x, y, w, h: [WIDTH - x - w, y, w, h]), "mirror-differs"),
        (of_next_row("bbox"), "rows-differ"),
    ],
)
def test_no_box_is_written_for_a_mask_that_may_be_wrong(build, rule_id, images):
    tables, findings, errors = checked(json.loads(build()), images)
    assert errors == {rule_id}
    with pytest.raises(DatasetError, match=f"nothing is written: .*{rule_id}"):
        fix(tables, findings, progress=False)
