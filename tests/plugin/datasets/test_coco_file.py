"""Every way in which a COCO file can be wrong, and the sentence that says so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.datasets import coco_annotations
from maskrcnn_project.datasets.coco_file import (
    CocoFile,
    class_names,
    read_categories,
    read_coco_file,
    read_json,
    read_table,
)
from maskrcnn_project.errors import DatasetError


def sound():
    """Two images, two annotations (polygon, RLE), categories whose ids are neither contiguous nor sorted."""
    return {
        "info": {"year": 2020},
        "images": [
            {"id": 1, "file_name": "a.png", "height": 4, "width": 6},
            {"id": 2, "file_name": "b.png", "height": 4, "width": 6},
        ],
        "annotations": [
            {
                "id": 10,
                "image_id": 1,
                "category_id": 7,
                "bbox": [0, 0, 2, 2],
                "segmentation": [[0, 0, 2, 0, 2, 2]],
            },
            {
                "id": 11,
                "image_id": 2,
                "category_id": 3,
                "bbox": [0, 0, 1, 4],
                "segmentation": {"size": [4, 6], "counts": [0, 4, 20]},
            },
        ],
        "categories": [{"id": 7, "name": "nut"}, {"id": 3, "name": "screw"}],
    }


def write(folder, coco):
    path = folder / "set.json"
    path.write_text(coco if isinstance(coco, str) else json.dumps(coco), "utf-8")
    return path


@pytest.fixture
def images(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for name in ("a.png", "b.png"):
        (root / name).write_bytes(b"")
    return root


def test_a_sound_file(tmp_path, images):
    path = write(tmp_path, sound())
    file = read_coco_file(path, images)
    assert isinstance(file, CocoFile)
    assert file.path == path
    assert file.image_root == images
    assert file.as_dict() == sound()
    assert read_coco_file(path).image_root == tmp_path  # where the file is, if no folder is named
    assert file.class_names == class_names(path) == ["screw", "nut"]  # by ascending id


def test_with_content_keeps_the_file_and_the_folder(tmp_path, images):
    file = read_coco_file(write(tmp_path, sound()), images)
    part = file.with_content({**sound(), "images": sound()["images"][:1], "annotations": []})
    assert (part.path, part.image_root) == (file.path, file.image_root)
    assert [image["id"] for image in part.images] == [1]
    assert part.annotations == []
    assert part.other == {"info": {"year": 2020}}


def test_file_that_begins_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps(sound()), "utf-8-sig")
    assert len(read_coco_file(path).images) == 2


def test_images_to_predict_on_need_no_annotations(tmp_path):
    coco = sound()
    del coco["annotations"]
    assert read_coco_file(write(tmp_path, coco), require_annotations=False).annotations == []
    with pytest.raises(DatasetError, match="of which annotations is missing"):
        read_coco_file(write(tmp_path, coco))


@pytest.mark.parametrize("missing", [None, [], ...])
def test_a_missing_mask_is_allowed(tmp_path, missing):
    coco = sound()
    del coco["annotations"][0]["segmentation"]
    if missing is not ...:
        coco["annotations"][0]["segmentation"] = missing
    assert len(read_coco_file(write(tmp_path, coco)).annotations) == 2


def test_missing_file_says_which_part_of_the_path_is_there(tmp_path):
    with pytest.raises(DatasetError, match=r"does not exist \(its folder .* is there\)"):
        read_coco_file(tmp_path / "none.json")
    with pytest.raises(DatasetError, match=rf"does not exist \(of its path, {tmp_path} is there\)"):
        read_coco_file(tmp_path / "no" / "such" / "none.json")
    with pytest.raises(DatasetError, match="is a folder: name the file in it"):
        read_coco_file(tmp_path)


def test_missing_image_folder(tmp_path):
    with pytest.raises(DatasetError, match="The image folder .*nowhere does not exist"):
        read_coco_file(write(tmp_path, sound()), tmp_path / "nowhere")


def test_missing_images_are_named_and_counted(tmp_path, images):
    coco = sound()
    coco["images"] += [{"id": n, "file_name": f"sub/{n}.png", "height": 4, "width": 6} for n in range(3, 8)]
    with pytest.raises(DatasetError) as error:
        read_coco_file(write(tmp_path, coco), images)
    assert "5 of the 7 images" in str(error.value)
    assert "sub/3.png, sub/4.png, sub/5.png, ...; is it the right image folder?" in str(error.value)
    (images / "sub").mkdir()
    for n in range(3, 8):
        (images / "sub" / f"{n}.png").write_bytes(b"")
    assert len(read_coco_file(write(tmp_path, coco), images).images) == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"images": [\n  1,\n  oops]}', "is not JSON: line 3, column 3"),
        ('{"images": [', "is not JSON: line 1, column 13"),
        (
            "[1, 2]",
            "holds a JSON array, but COCO wants an object with the keys images, annotations, categories",
        ),
        ('[{"image_id": 1, "score": 0.5}]', "looks like a results file"),
        ('"text"', "holds a JSON string"),
        (
            '{"shapes": [], "version": 1}',
            "images, annotations, categories are missing; its keys are shapes, version",
        ),
        ("{}", "it has no keys at all"),
    ],
)
def test_text_that_is_no_coco(tmp_path, text, sentence):
    with pytest.raises(DatasetError, match=sentence):
        read_coco_file(write(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "set.json"
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(DatasetError, match=r"is not UTF-8 text \(byte 0\)"):
        read_json(path)


def test_one_table_of_a_file(tmp_path):
    path = write(tmp_path, sound())
    assert read_table(path, "images") == sound()["images"]
    assert read_categories(path) == sound()["categories"]
    twice = {"info": {"categories": []}, **sound()}  # which of the two is the table, only the whole file tells
    assert read_categories(write(tmp_path, twice)) == sound()["categories"]
    with pytest.raises(DatasetError, match="has no licenses: its keys are info, images, annotations, categories"):
        read_table(write(tmp_path, {**sound(), "info": {}}), "licenses")


@pytest.mark.parametrize(
    "content", ['{"categories": [{"id": 1}]}', '{"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}']
)
def test_categories_are_checked(tmp_path, content):
    with pytest.raises(DatasetError, match="wants a text as 'name'|has no 'name'|every category id may occur once"):
        read_categories(write(tmp_path, content))


def test_a_root_may_have_the_name_of_the_class_below_it(tmp_path):
    """As exporters write it for a project of one class; what is kept of them is decided when the set is registered."""
    coco = sound()
    coco["categories"] = [{"id": 0, "name": "nut"}, {"id": 7, "name": "nut", "supercategory": "nut"}]
    coco["annotations"][1]["category_id"] = 7
    assert len(read_coco_file(write(tmp_path, coco)).categories) == 2
    del coco["categories"][1]["supercategory"]
    with pytest.raises(DatasetError, match="every category name may occur once"):
        read_coco_file(write(tmp_path, coco))


@given(st.data())
def test_the_quick_check_passes_what_the_slow_one_passes(data):
    """A million sound rows get no sentence; any other row has to end in one, and no sound row may."""
    odd = st.sampled_from([float("nan"), float("inf"), 10**400, True, None, "", "a"])
    number = st.one_of(st.integers(-3, 9), st.floats(-1e300, 1e300), odd)
    path = data.draw(
        st.sampled_from(
            [("id",), ("image_id",), ("category_id",), ("bbox",), ("bbox", 2), ("segmentation",), ("segmentation", 0)]
        )
    )
    value = data.draw(
        st.one_of(number, st.lists(number, max_size=5), st.fixed_dictionaries({}, optional={"counts": number}))
    )
    coco = sound()
    change((*FIRST, *path), value)(coco)
    row, file = coco["annotations"][0], CocoFile("set.json", coco["images"], coco["annotations"], coco["categories"])
    sizes, names = {1: [4, 6], 2: [4, 6]}, {7: "nut", 3: "screw"}
    try:
        coco_annotations._check_annotation(file.path, 0, row, {image["id"]: image for image in file.images}, names)
    except DatasetError:
        assert not coco_annotations._is_sound(row, sizes, names)
    else:
        assert coco_annotations._is_sound(row, sizes, names)


def change(path, value):
    """A function that sets ``coco[path[0]][path[1]]... = value``."""

    def apply(coco):
        target = coco
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return apply


FIRST = ("annotations", 0)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("images",), [], "has no images"),
        (("annotations",), [], "has no annotations"),
        (("categories",), [], "has no categories"),
        (("images",), {"1": {}}, "'images' should be a list, but is a JSON object"),
        (("images", 1), "b.png", r"images\[1\] should be an object, but is a JSON string"),
        (("images", 0, "id"), "1", r"images\[0\] wants an integer as 'id', but has '1'"),
        (("images", 0, "file_name"), None, "image 1 wants a text as 'file_name', but has None"),
        (("images", 0, "height"), 0, r"image 1 \(a.png\) wants a whole number of pixels as 'height', but has 0"),
        (("images", 0, "width"), 6.5, "a whole number of pixels as 'width', but has 6.5"),
        (("images", 1, "id"), 1, r"every image id may occur once, but 1 occur more often: 1 \(2 times\)"),
        (("annotations", 1, "id"), 10, r"every annotation id may occur once.* 10 \(2 times\)"),
        (("categories", 1, "name"), "nut", r"every category name may occur once.* 'nut' \(2 times\)"),
        (("categories", 1, "id"), 7, "every category id may occur once"),
        (("categories", 0, "name"), 5, "category 7 wants a text as 'name', but has 5"),
        (("categories", 0), "nut", r"categories\[0\] should be an object"),
        (("categories", 0, "id"), True, r"categories\[0\] wants an integer as 'id'"),
        ((*FIRST, "id"), None, r"annotations\[0\] wants an integer as 'id', but has None"),
        ((*FIRST, "image_id"), 99, r"annotation 10 \(image 99\) belongs to no image.* 2 image ids \(1, 2\)"),
        ((*FIRST, "image_id"), [1], r"annotation 10 wants an integer as 'image_id', but has \[1\]"),
        (
            (*FIRST, "category_id"),
            1,
            r"annotation 10 \(image 1\) has the unknown category_id 1; .* are 3 \(screw\), 7 \(nut\)",
        ),
        ((*FIRST, "bbox"), [0, 0, 2], r"annotation 10 \(image 1\) wants a 'bbox' of four finite numbers"),
        ((*FIRST, "bbox"), None, "wants a 'bbox' of four finite numbers .* but has None"),
        ((*FIRST, "bbox"), [0, 0, "2", 2], "wants a 'bbox' of four finite numbers"),
        ((*FIRST, "bbox"), [0, 0, float("nan"), 2], "wants a 'bbox' of four finite numbers"),
        ((*FIRST, "bbox"), [0, 0, 10**400, 0.5], "wants a 'bbox' of four finite numbers"),
        ((*FIRST, "bbox"), [5, 5, -3, 2], "negative size.*are its corners in the wrong order"),
        (
            (*FIRST, "segmentation"),
            "abc",
            "its segmentation is 'abc'; COCO wants a list of polygons .*, or run lengths",
        ),
        ((*FIRST, "segmentation"), [0, 0, 2, 0, 2, 2], r"one list of 6 numbers; .* write \[\[x, y, ...\]\]"),
        (
            (*FIRST, "segmentation"),
            [[0, 0, "2", 0]],
            r"polygon 0 is \[0, 0, '2', 0\]; COCO wants a list of polygons",
        ),
        ((*FIRST, "segmentation"), [[0, 0, 1, 1], {}], "polygon 1 is {}"),
        (
            (*FIRST, "segmentation"),
            {"size": [4, 6]},
            "its run lengths have the counts None",
        ),
        ((*FIRST, "segmentation"), {"size": [4, 6], "counts": [0.5]}, r"its run lengths have the counts \[0.5\]"),
        (
            (*FIRST, "segmentation"),
            {"size": [6, 4], "counts": "04"},
            r"size \[6, 4\], but the image has \[height, width\] = \[4, 6\]",
        ),
    ],
)
def test_one_sentence_for_each_fault(tmp_path, path, value, sentence):
    coco = sound()
    change(path, value)(coco)
    with pytest.raises(DatasetError, match=sentence) as error:
        read_coco_file(write(tmp_path, coco))
    assert str(tmp_path / "set.json") in str(error.value)
    assert "\n" not in str(error.value)
