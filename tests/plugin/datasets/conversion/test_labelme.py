"""LabelMe: there and back with the same pixels; shapes by hand; what is skipped and what is refused."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.conversion import labelme
from maskrcnn_project.datasets.conversion.labelme import read_labelme, write_labelme
from maskrcnn_project.datasets.conversion.refusals import IMAGE
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode


def shape(label, points, kind="polygon", **others):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **others}


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(mask, dtype=np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def labelled(tmp_path, photo):
    """A function that writes ``a.json`` about ``a.png`` (6x8) and returns its folder."""

    def write(*shapes, **others):
        photo(tmp_path / "a.png")
        content = {"version": "5.5.0", "imagePath": "a.png", "imageHeight": 6, "imageWidth": 8, "imageData": None}
        (tmp_path / "a.json").write_text(json.dumps({**content, "shapes": list(shapes), **others}), "utf-8")
        return tmp_path

    return write


def test_there_and_back_every_pixel_and_class_is_the_same(hard_set, tmp_path, objects_of):
    left_out = write_labelme(hard_set, tmp_path / "labelme")
    back = read_labelme(tmp_path / "labelme", hard_set.image_root)
    assert not left_out.counts and not back.left_out.counts
    assert objects_of(back.coco) == objects_of(hard_set.as_dict())
    assert [row["name"] for row in back.coco["categories"]] == ["screw", "nut"]  # by ascending id, 3 and 7
    assert [row["file_name"] for row in back.coco["images"]] == ["a.png", "deep/b.jpg", "empty.png"]


def test_what_is_written_for_holes_parts_and_nothing(hard_set, tmp_path):
    write_labelme(hard_set, tmp_path / "labelme")
    content = json.loads((tmp_path / "labelme" / "a.json").read_text())
    assert content["imageData"] is None
    assert (tmp_path / "labelme" / content["imagePath"]).samefile(hard_set.image_root / "a.png")
    ring, left, right, sloping = content["shapes"]
    assert (ring["shape_type"], ring["points"]) == ("mask", [[1, 1], [5, 5]])  # first and last pixel
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(ring["mask"])))).tolist() == [
        [1, 1, 1, 1, 1],
        [1, 0, 0, 0, 1],
        [1, 0, 1, 0, 1],
        [1, 0, 0, 0, 1],
        [1, 1, 1, 1, 1],
    ]
    assert left["group_id"] == right["group_id"] is not None
    assert sloping["points"] == [[0.5, 0.5], [7.3, 1.2], [6.1, 5.8]] and sloping["group_id"] is None
    assert json.loads((tmp_path / "labelme" / "empty.json").read_text())["shapes"] == []
    assert (tmp_path / "labelme" / "labels.txt").read_text() == "screw\nnut\n"


def test_json_files_may_lie_beside_their_images(hard_set, objects_of):
    write_labelme(hard_set, hard_set.image_root)
    assert (hard_set.image_root / "deep" / "b.json").is_file()
    assert objects_of(read_labelme(hard_set.image_root).coco) == objects_of(hard_set.as_dict())


def test_crowds_stay_crowds(hard_set, tmp_path):
    hard_set.annotations[0]["iscrowd"] = 1
    write_labelme(hard_set, tmp_path / "labelme")
    back = read_labelme(tmp_path / "labelme", hard_set.image_root).coco
    assert [row["area"] for row in back["annotations"] if row["iscrowd"]] == [17]  # the ring's pixels


def test_nuclei_there_and_back(nuclei, tmp_path, objects_of):
    write_labelme(nuclei, tmp_path)
    assert objects_of(read_labelme(tmp_path, nuclei.image_root).coco) == objects_of(nuclei.as_dict())


def test_figures(labelled):
    folder = labelled(
        shape("box", [[5, 4], [1, 2]], "rectangle"),  # corners in either order
        shape("disc", [[4, 3], [4, 5]], "circle"),  # centre, and a point on the line: radius 2
        shape("stain", [[6, 1], [7, 2]], "mask", mask=png([[1, 0], [1, 1]])),
        shape("tilted", [[2, 0], [4, 2], [2, 4], [0, 2]], "oriented_rectangle"),
    )
    rows = read_labelme(folder).coco["annotations"]
    assert rows[0]["segmentation"] == [[1, 2, 5, 2, 5, 4, 1, 4]] and rows[0]["area"] == 8
    disc = decode(rows[1]["segmentation"], 6, 8)
    assert [row.sum() for row in disc] == [0, 2, 4, 4, 2, 0]
    assert np.argwhere(decode(rows[2]["segmentation"], 6, 8)).tolist() == [[1, 6], [2, 6], [2, 7]]
    assert rows[2]["bbox"] == [6.0, 1.0, 2.0, 2.0]
    assert rows[3]["segmentation"] == [[2, 0, 4, 2, 2, 4, 0, 2]]


def test_a_mask_whose_corner_lies_behind_its_last_pixel(labelled):
    folder = labelled(shape("stain", [[6, 1], [8, 3]], "mask", mask=png([[1, 0], [1, 1]])))
    assert read_labelme(folder).coco["annotations"][0]["area"] == 3


def test_shapes_of_one_label_and_group_are_one_object(labelled):
    square, other = [[0, 0], [2, 0], [2, 2], [0, 2]], [[4, 0], [6, 0], [6, 2], [4, 2]]
    folder = labelled(
        shape("nut", square, group_id=1),
        shape("nut", other, group_id=1),
        shape("nut", [[2, 2], [3, 3]], "mask", mask=png([[1, 1], [1, 1]]), group_id=1),
        shape("screw", square, group_id=1),  # another label
        shape("nut", square, group_id=2),
        shape("nut", square),
        shape("nut", square),
    )
    conversion = read_labelme(folder)
    assert [row["area"] for row in conversion.coco["annotations"]] == [12, 4, 4, 4, 4]
    assert "sorted" not in conversion.class_order and "--classes" in conversion.class_order


def test_everything_skipped_is_counted_and_told(labelled, photo):
    folder = labelled(
        shape("nut", [[0, 0], [2, 0], [2, 2], [0, 2]]),
        shape("nut", [[1, 1]], "point"),
        shape("nut", [[1, 1], [2, 2]], "line"),
        shape("nut", [[1, 1], [2, 2]], "heart"),
        shape("nut", [[1, 1], [2, 2]]),
        shape("nut", [[20, 20], [22, 20], [22, 22]]),
        shape("cat", [[0, 0], [2, 0], [2, 2], [0, 2]]),
    )
    photo(folder / "b.png")
    (folder / "other.json").write_text("[1, 2]")
    conversion = read_labelme(folder, classes=["screw", "nut"])
    assert conversion.left_out.counts == {
        "shape of type 'point', which has no area": 1,
        "shape of type 'line', which has no area": 1,
        "shape of the unknown type 'heart'": 1,
        "polygon of fewer than 3 points": 1,
        "object without a pixel in its image": 1,
        "object whose label 'cat' is not among the classes": 1,
        "JSON file that is not LabelMe's (it has no 'shapes')": 1,
    }
    report = conversion.report()
    assert "shapes[3]" in report and "1 images have no annotation" in report
    assert [line.split() for line in report.splitlines()[:3]] == [
        ["id", "class", "objects", "images"],
        ["1", "screw", "0", "0"],
        ["2", "nut", "1", "1"],
    ]
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "b.png"]
    only = read_labelme(folder, classes=["nut"], annotated_only=True)
    assert [row["file_name"] for row in only.coco["images"]] == ["a.png"] and only.unannotated == 0


def test_no_object_at_all_needs_the_classes(labelled):
    folder = labelled()
    with pytest.raises(DatasetError, match="no class is known.*--classes"):
        read_labelme(folder)
    coco = read_labelme(folder, classes=["nut"]).coco
    assert (len(coco["images"]), coco["annotations"], coco["categories"]) == (1, [], [{"id": 1, "name": "nut"}])


def test_paths_of_windows_and_images_elsewhere(labelled, tmp_path, photo):
    folder = labelled(shape("nut", [[0, 0], [2, 0], [2, 2]]), imagePath="..\\photos\\a.png")
    photo(tmp_path / "elsewhere" / "a.png")
    (folder / "a.png").unlink()
    coco = read_labelme(folder, tmp_path / "elsewhere").coco
    assert coco["images"][0]["file_name"] == "a.png"


def test_a_turned_photo_is_taken_upright(labelled, photo):
    folder = labelled(shape("nut", [[0, 0], [2, 0], [2, 2]]), imageHeight=8, imageWidth=6)
    photo(folder / "a.png", 6, 8, orientation=6)
    assert read_labelme(folder).coco["images"][0] == {"id": 1, "file_name": "a.png", "height": 8, "width": 6}
    photo(folder / "a.png", 6, 8)
    with pytest.raises(DatasetError, match=r"image of 8x6 .*a.png is 6x8 upright; it was annotated lying on its side"):
        read_labelme(folder)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"label": " "}, r"a.json, shapes\[0\] should be an object with a 'label'"),
        ({"points": [[0, "x"]]}, r"a.json, shapes\[0\] should have 'points'"),
        ({"points": [[0, float("nan")], [1, 1], [2, 2]]}, r"shapes\[0\] has a point that is no finite number"),
        ({"shape_type": "circle"}, r"shapes\[0\] is a circle, which has 2 points, but there are 3"),
        ({"shape_type": "mask", "points": [[0, 0], [1, 1]]}, r"shapes\[0\] should have a 'mask' that is a PNG"),
        (
            {"shape_type": "mask", "points": [[0, 0], [3, 3]], "mask": png([[1, 1]])},
            r"shapes\[0\] has a mask of 1x2 pixels \(height x width\), but a box of 4x4",
        ),
    ],
)
def test_a_wrong_shape_is_named_with_its_file(labelled, wrong, words):
    folder = labelled({**shape("nut", [[0, 0], [2, 0], [2, 2]]), **wrong})
    with pytest.raises(DatasetError, match=words):
        read_labelme(folder)


TRIANGLE = [[0, 0], [4, 0], [4, 4]]


@pytest.mark.parametrize(
    ("corners", "kind"),
    [
        ([[1, 1], [5, 1], [5, 4], [1, 4]], "rectangle"),
        ([[5, 4], [1, 4], [1, 1], [5, 1]], "rectangle"),  # from another corner
        ([[1, 1], [5, 1], [1, 4], [5, 4]], "rectangle"),  # row by row
        ([[1, 1], [5, 1], [5, 4], [1, 4], [1, 1]], "rectangle"),  # closed
        ([[1, 1], [5, 4]], "rectangle"),
        ([[1, 1], [5, 1], [5, 4], [1, 4]], "rotation"),
        ([[1, 1], [5, 1], [5, 4], [1, 4]], "quadrilateral"),
    ],
)
def test_a_rectangle_by_two_or_four_corners(labelled, corners, kind):
    (row,) = read_labelme(labelled(shape("box", corners, kind))).coco["annotations"]
    assert (row["bbox"], row["area"]) == ([1, 1, 4, 3], 12)


def test_a_turned_rectangle_stays_turned(labelled):
    diamond = [[4, 1], [6, 3], [4, 5], [2, 3]]
    rows = read_labelme(labelled(shape("a", diamond, "rectangle"), shape("b", diamond, "rotation"))).coco["annotations"]
    assert [row["segmentation"] for row in rows] == [[[4, 1, 6, 3, 4, 5, 2, 3]]] * 2


@pytest.mark.parametrize("group", [[1], {"a": [1, None]}, "g", 1.5, 7, True, [[]]])
def test_groups_of_any_json_type(labelled, group):
    far = [[6, 4], [8, 4], [8, 6]]
    folder = labelled(shape("nut", TRIANGLE, group_id=group), shape("nut", far, group_id=group))
    assert len(read_labelme(folder).coco["annotations"]) == 1


@pytest.mark.parametrize(("group", "other"), [(None, None), ("", ""), ([], []), ({}, {}), ([1], [2]), (1, 2), ("a", 1)])
def test_shapes_without_a_group_in_common_are_objects_of_their_own(labelled, group, other):
    folder = labelled(shape("nut", TRIANGLE, group_id=group), shape("nut", TRIANGLE, group_id=other))
    assert len(read_labelme(folder).coco["annotations"]) == 2


@pytest.mark.parametrize(
    ("flags", "crowd"),
    [
        ({"crowd": True}, 1),
        ({"crowd": "yes"}, 1),
        (["crowd"], 1),
        ("crowd", 1),
        ({"crowd": "false"}, 0),
        ({"crowd": [0]}, 1),
        ([{"crowd": True}], 1),
        ([{"rust": True}, {"crowd": "yes"}], 1),
        ([{"crowd": False}, {"crowd": 0}], 0),
        ("", 0),
        (None, 0),
        (3, 0),
        ([], 0),
    ],
)
def test_flags_of_any_json_type(labelled, flags, crowd):
    (row,) = read_labelme(labelled(shape("nut", TRIANGLE, flags=flags))).coco["annotations"]
    assert row["iscrowd"] == crowd


@pytest.mark.parametrize(
    ("height", "told"),
    [("6", 0), (6.0, 0), (" 6 ", 0), (None, 0), ("six", 1), ([6], 1), ({}, 1), (6.5, 1), (float("inf"), 1)],
)
def test_image_sizes_of_any_json_type(labelled, height, told):
    conversion = read_labelme(labelled(shape("nut", TRIANGLE), imageHeight=height, imageWidth="8"))
    assert len(conversion.coco["annotations"]) == 1
    assert sum(conversion.left_out.counts.values()) == told
    with pytest.raises(DatasetError, match="was made for an image of 7x8"):
        read_labelme(labelled(shape("nut", TRIANGLE), imageHeight="7", imageWidth="8"))


@pytest.mark.parametrize(("label", "name"), [(3, "3"), (0, "0"), (3.0, "3"), (2.5, "2.5"), (" nut ", "nut")])
def test_labels_that_are_numbers(labelled, label, name):
    conversion = read_labelme(labelled(shape(label, TRIANGLE)))
    assert [row["name"] for row in conversion.coco["categories"]] == [name]


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": None},
        {"label": ["nut"]},
        {"label": True},
        {"points": [[0, 0], [1, "x"], [2, 2]]},
        {"points": 7},
        {"points": [[0, 0, 0], [1, 1, 1], [2, 2, 2]]},
        {"points": [[0, 0], [10**400, 0], [2, 2]]},
        {"points": [[0, 0], [1e12, 0], [2, 2]]},
        {"shape_type": "rectangle"},
        {"shape_type": "circle"},
        {"shape_type": "mask", "points": [[0, 0], [1, 1]], "mask": 3},
        {"shape_type": ["polygon"]},
    ],
)
def test_a_shape_that_cannot_be_read_costs_itself_only(labelled, wrong):
    folder = labelled(shape("nut", TRIANGLE), {**shape("nut", TRIANGLE), **wrong}, shape("nut", TRIANGLE))
    conversion = read_labelme(folder)
    assert len(conversion.coco["annotations"]) == 2
    assert sum(conversion.left_out.counts.values()) == 1 and "a.json, shapes[1]" in conversion.report()


def test_what_is_no_shape_costs_nothing_else(labelled):
    conversion = read_labelme(labelled(shape("nut", TRIANGLE), None, 3, [], "nut"))
    assert conversion.left_out.counts == {"shape that cannot be read": 4}
    assert len(conversion.coco["annotations"]) == 1


def test_two_files_about_one_image(labelled):
    folder = labelled(shape("nut", [[0, 0], [2, 0], [2, 2]]))
    (folder / "b.json").write_text((folder / "a.json").read_text())
    conversion = read_labelme(folder)
    assert conversion.left_out.counts == {IMAGE: 1}  # the second file
    assert "The image a.png is annotated twice, in " in conversion.left_out.table()
    assert len(conversion.coco["images"]) == len(conversion.coco["annotations"]) == 1


def test_wrong_files_and_folders(labelled, tmp_path):
    with pytest.raises(DatasetError, match="is none"):
        read_labelme(tmp_path / "nowhere")
    folder = labelled(imagePath="z.png")
    with pytest.raises(DatasetError, match="a.json is about the image 'z.png', which is neither beside it nor in"):
        read_labelme(folder)
    (folder / "a.json").write_text('{"shapes": [')
    with pytest.raises(DatasetError, match=r"a\.json is not JSON: line 1, column 13"):
        read_labelme(folder)
    (folder / "a.json").unlink()
    with pytest.raises(DatasetError, match="holds no LabelMe file"):
        read_labelme(folder)


def test_nothing_is_overwritten_and_nothing_half_written(hard_set, tmp_path, monkeypatch):
    output = tmp_path / "labelme"
    output.mkdir()
    (output / "empty.json").write_text("mine")
    with pytest.raises(DatasetError, match="empty.json exists already"):
        write_labelme(hard_set, output)
    assert [path.name for path in output.iterdir()] == ["empty.json"]
    (output / "empty.json").unlink()
    monkeypatch.setattr(labelme, "file_content", lambda shapes, *_: 1 / len(shapes))  # fails at the last image
    with pytest.raises(ZeroDivisionError):
        write_labelme(hard_set, output)
    assert list(output.iterdir()) == []


def test_images_that_would_share_a_file(hard_set, tmp_path, photo):
    photo(hard_set.image_root / "a.jpg")
    hard_set.images[2]["file_name"] = "a.jpg"
    with pytest.raises(DatasetError, match=r"share one annotation file \(a.json\)"):
        write_labelme(hard_set, tmp_path / "labelme")


def test_annotations_without_a_mask_are_counted(hard_set, tmp_path):
    hard_set.annotations[0]["segmentation"] = []
    hard_set.annotations[1]["segmentation"] = [[0, 0, 1, 1]]
    hard_set.annotations[3]["segmentation"] = {"size": [6, 8], "counts": [48]}
    assert write_labelme(hard_set, tmp_path / "labelme").counts == {
        "annotation without a mask": 1,
        "polygon that is not at least 3 pairs of x and y": 1,
        "annotation whose mask is empty": 1,
    }


def test_the_class_list_leaves_out_what_is_no_class(labelled):
    folder = labelled(shape("nut", [[0, 0], [2, 0], [2, 2]]))
    (folder / "labels.txt").write_text("__ignore__\n_background_\nscrew\nnut\n")
    conversion = read_labelme(folder)
    assert [row["name"] for row in conversion.coco["categories"]] == ["screw", "nut"]
    (folder / "coco.json").write_text(json.dumps(conversion.coco))
    assert read_coco_file(folder / "coco.json", folder).class_names == ["screw", "nut"]


@pytest.mark.parametrize("line", ["__ignore__", "_background_", "__background__"])
def test_a_line_of_the_class_list_that_is_no_class(labelled, line):
    folder = labelled(shape("nut", TRIANGLE))
    (folder / "labels.txt").write_text(f"{line}\nnut\n", "utf-8-sig")
    assert [row["name"] for row in read_labelme(folder).coco["categories"]] == ["nut"]
    (folder / "labels.txt").write_text(f"{line}\n")  # names nothing: as if there were no list
    assert "--classes" in read_labelme(folder).class_order


def test_a_name_twice_in_the_class_list_is_refused(labelled):
    folder = labelled(shape("nut", TRIANGLE))
    (folder / "labels.txt").write_text("nut\nscrew\nnut\n")
    with pytest.raises(DatasetError, match="labels.txt has one name for several classes, or one number twice"):
        read_labelme(folder)


@pytest.mark.parametrize("label", ["two\nwords", "two\twords", " two\rwords\n", "two\u2028words", "two\x00words\x07"])
def test_labels_with_control_characters(labelled, label):
    folder = labelled(shape(label, TRIANGLE), shape("two words", TRIANGLE), shape("\x07", TRIANGLE))
    conversion = read_labelme(folder)
    assert conversion.coco["categories"] == [{"id": 1, "name": "two words"}]
    assert len(conversion.coco["annotations"]) == 2
    assert conversion.left_out.counts == {"shape that cannot be read": 1}


@pytest.fixture
def two_images(labelled, photo):
    """A folder with a sound a.json about a.png, b.json of the given text, and b.png, which nothing else is about."""

    def write(text, others=("b.png",)):
        folder = labelled(shape("nut", TRIANGLE))
        for name in others:
            photo(folder / name)
        (folder / "b.json").write_bytes(text.encode() if isinstance(text, str) else text)
        return folder

    return write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"shapes": [', "b.json is not JSON"),
        ("", "b.json is not JSON"),
        ('{"shapes": null, "imagePath": "b.png"}', "b.json should have a list of 'shapes', but has 'None'"),
        ('{"shapes": []}', "b.json has no 'imagePath'"),
        ('{"shapes": [], "imagePath": "c.png"}', "b.json is about the image 'c.png', which is neither"),
        ('{"shapes": [], "imagePath": "b.png", "imageHeight": 7, "imageWidth": 8}', "made for an image of 7x8"),
        (b'{"shapes": [], "imagePath": "\xe4"}', "b.json is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_its_image_out(two_images, text, words):
    conversion = read_labelme(two_images(text))
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png"] and conversion.unannotated == 0
    assert conversion.left_out.counts == {IMAGE: 1} and words in conversion.report()


def test_the_image_of_a_broken_file_is_known_by_its_name(two_images, photo):
    folder = two_images("{", ["deep/b.png", "other/b.jpg", "bb.png"])
    conversion = read_labelme(folder)  # both could be meant
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "bb.png"]
    photo(folder / "b.png")
    conversion = read_labelme(folder)
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "bb.png", "deep/b.png", "other/b.jpg"]
    content = json.loads((folder / "a.json").read_text())
    (folder / "z.json").write_text(json.dumps({**content, "imagePath": "b.png"}))  # a sound one is about b.png
    assert len(read_labelme(folder).coco["annotations"]) == 2


def test_an_image_that_cannot_be_read_costs_itself(two_images):
    folder = two_images('{"shapes": [], "imagePath": "b.png"}', ["b.png", "z.png"])
    (folder / "b.png").write_bytes(b"junk")
    (folder / "z.png").write_bytes(b"junk")  # nobody annotated it
    conversion = read_labelme(folder)
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png"]
    assert conversion.left_out.counts == {IMAGE: 2} and "z.png cannot be read" in conversion.report()


def test_an_image_without_a_readable_object_is_no_background(two_images):
    wrong = {"shapes": [shape("nut", [[0, "x"]]), shape("nut", 7)], "imagePath": "b.png"}
    conversion = read_labelme(two_images(json.dumps(wrong)))
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png"]
    assert conversion.left_out.counts == {
        "shape that cannot be read": 2,
        "image none of whose objects can be converted": 1,
    }
