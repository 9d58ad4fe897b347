"""CVAT's XML: polygons, masks in its run lengths, groups, levels; what has no mask; hostile and wrong files."""

import numpy as np
import pytest

from maskrcnn_project.datasets.conversion.cvat import read_cvat
from maskrcnn_project.datasets.conversion.refusals import IMAGE
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode

META = "<meta><task><labels><label><name>screw</name></label><label><name>nut</name></label></labels></task></meta>"
SQUARE = "0,0;2,0;2.0,2.0;0,2"


@pytest.fixture
def cvat(tmp_path, photo):
    """A function that writes an XML file about ``deep/a.png`` (6x8) and returns its path."""

    def write(*shapes, image='id="0" name="deep/a.png" width="8" height="6"', head="", meta=META):
        photo(tmp_path / "images" / "deep" / "a.png")
        lines = [f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>1.1</version>{meta}']
        lines += [f"<image {image}>", *shapes, "</image></annotations>"]
        path = tmp_path / "annotations.xml"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write


def test_polygons_and_classes_in_the_order_of_the_task(cvat):
    conversion = read_cvat(cvat(f'<polygon label="nut" points="{SQUARE}" occluded="0" z_order="0"/>'))
    (row,) = conversion.coco["annotations"]
    assert row["segmentation"] == [[0, 0, 2, 0, 2, 2, 0, 2]]
    assert (row["category_id"], row["bbox"], row["area"], "attributes" in row) == (2, [0, 0, 2, 2], 4, False)
    assert [item["name"] for item in conversion.coco["categories"]] == ["screw", "nut"]
    assert conversion.coco["images"] == [{"id": 1, "file_name": "deep/a.png", "height": 6, "width": 8}]


def test_run_lengths_go_row_by_row_within_their_box(cvat):
    # a box of 3x3 at column 4, row 2: all but its centre
    path = cvat('<mask label="nut" rle="0, 4, 1, 4" left="4" top="2" width="3" height="3" z_order="0"/>')
    (row,) = read_cvat(path).coco["annotations"]
    wanted = np.zeros((6, 8), dtype=bool)
    wanted[2:5, 4:7] = True
    wanted[3, 5] = False
    assert decode(row["segmentation"], 6, 8).tolist() == wanted.tolist()
    assert isinstance(row["segmentation"], dict) and row["bbox"] == [4, 2, 3, 3]


def test_a_group_is_one_object(cvat):
    path = cvat(
        f'<polygon label="nut" points="{SQUARE}" group_id="3"/>',
        '<mask label="nut" rle="0, 2" left="6" top="5" width="2" height="1" group_id="3"/>',
        f'<polygon label="screw" points="{SQUARE}" group_id="3"/>',
        f'<polygon label="nut" points="{SQUARE}" group_id="0"/>',
        f'<polygon label="nut" points="{SQUARE}"/>',
    )
    rows = read_cvat(path).coco["annotations"]
    assert [(row["category_id"], row["area"]) for row in rows] == [(2, 6), (1, 4), (2, 4), (2, 4)]
    assert len(rows[0]["segmentation"]) == 2


def test_the_uppermost_object_comes_last_and_attributes_stay(cvat):
    path = cvat(
        f'<polygon label="nut" points="{SQUARE}" z_order="2" occluded="1">',
        '<attribute name="rust">no</attribute></polygon>',
        f'<polygon label="screw" points="{SQUARE}" z_order="-1"/>',
        f'<polygon label="screw" points="{SQUARE}"/>',
    )
    rows = read_cvat(path).coco["annotations"]
    assert [row.get("attributes") for row in rows] == [
        {"z_order": -1},
        None,
        {"rust": "no", "occluded": True, "z_order": 2},
    ]


def test_an_ellipse_lying_and_standing(cvat):
    ellipse = '<ellipse label="nut" cx="4" cy="3" rx="3" ry="1" {}/>'
    lying, standing = read_cvat(cvat(ellipse.format(""), ellipse.format('rotation="90"'))).coco["annotations"]
    assert np.round(lying["bbox"]).tolist() == [1, 2, 6, 2]
    assert np.round(standing["bbox"]).tolist() == [3, 0, 2, 6]


def test_shapes_without_a_mask_are_counted(cvat):
    conversion = read_cvat(
        cvat(
            '<box label="nut" xtl="0" ytl="0" xbr="2" ybr="2"/>',
            '<box label="nut" xtl="1" ytl="0" xbr="2" ybr="2"/>',
            '<polyline label="nut" points="0,0;1,1"/>',
            '<points label="nut" points="0,0"/>',
            '<tag label="nut"/>',
            '<blob label="nut"/>',
            '<polygon label="nut" points=""/>',
            '<polygon label="nut" points="0,0;1,1"/>',
            f'<polygon label="cat" points="{SQUARE}"/>',
        )
    )
    assert conversion.coco["annotations"] == []
    assert conversion.left_out.counts == {
        "box without a mask": 2,
        "line without a mask": 1,
        "point without a mask": 1,
        "tag of an image, which is no object": 1,
        "shape of the unknown type 'blob'": 1,
        "polygon of fewer than 3 points": 2,
        "object whose label 'cat' is not among the classes": 1,
    }
    assert "annotations.xml, line 3, " in conversion.report()
    assert (len(conversion.coco["images"]), conversion.unannotated) == (1, 0)


def test_images_of_a_subset_and_elsewhere(cvat, photo, tmp_path):
    photo(tmp_path / "photos" / "Train" / "b.png")
    path = cvat(image='id="0" name="b.png" subset="Train" width="8" height="6"')
    assert read_cvat(path, tmp_path / "photos").coco["images"][0]["file_name"] == "Train/b.png"
    with pytest.raises(DatasetError, match="annotations.xml, line 2: the image 'b.png' is not in .*images"):
        read_cvat(path)


@pytest.mark.parametrize(
    "document_type",
    ['<!DOCTYPE a [<!ENTITY b "bomb"><!ENTITY c "&b;&b;">]>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">'],
)
def test_document_types_and_entities_are_refused(cvat, document_type):
    path = cvat(f'<polygon label="nut" points="{SQUARE}"/>', head=document_type)
    with pytest.raises(DatasetError, match="declares a document type"):
        read_cvat(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ('<polygon label="nut" points="0,0;1;2,2"/>', "should have points"),
        ('<polygon label="nut" points="0,0;nan,1;2,2"/>', "has a point that is no finite number"),
        (f'<polygon points="{SQUARE}"/>', "wants the attribute 'label' in <polygon>"),
        ('<mask label="nut" rle="1, 2" left="0" top="0" width="2" height="2"/>', "cover 3 pixels, but its box .* = 4"),
        ('<mask label="nut" rle="1, -1" left="0" top="0" width="2" height="2"/>', "cover 0 pixels"),
        ('<mask label="nut" rle="a" left="0" top="0" width="2" height="2"/>', "should have run lengths"),
        ('<mask label="nut" rle="9" left="0" top="0" width="9" height="1"/>', "box of 9x1 .* but its image has 8x6"),
        ('<mask label="nut" rle="4" left="x" top="0" width="2" height="2"/>', "wants a number as 'left' in <mask>"),
    ],
)
def test_a_wrong_shape_is_named_with_its_line(cvat, shape, words):
    with pytest.raises(DatasetError, match=f"annotations.xml, line 3 .*{words}"):
        read_cvat(cvat(shape))
    conversion = read_cvat(cvat(shape, f'<polygon label="nut" points="{SQUARE}"/>'))
    assert len(conversion.coco["annotations"]) == 1
    assert conversion.left_out.counts == {"shape that cannot be read": 1}


def test_wrong_files(cvat, tmp_path):
    path = cvat(image='id="0" name="deep/a.png" width="6" height="8"')
    with pytest.raises(DatasetError, match="line 2 was made for an image of 8x6 .*is 6x8 upright"):
        read_cvat(path)
    path.write_text("<annotations><track/></annotations>")
    with pytest.raises(DatasetError, match='is for video .*export the task as "CVAT for images 1.1"'):
        read_cvat(path)
    path.write_text("<annotation/>")
    with pytest.raises(DatasetError, match="is not CVAT's"):
        read_cvat(path)
    path.write_text("<annotations>")
    with pytest.raises(DatasetError, match="annotations.xml is no XML file"):
        read_cvat(path)
    with pytest.raises(DatasetError, match="There is no file"):
        read_cvat(tmp_path / "nothing.xml")


@pytest.fixture
def several(tmp_path, photo):
    """A function that writes an XML file of images (id, name, shapes) of 6x8, and the pictures of the names given."""

    def write(*images, pictures):
        for name in pictures:
            photo(tmp_path / "images" / name)
        lines = [f'<image id="{i}" name="{name}" width="8" height="6">{shapes}</image>' for i, name, shapes in images]
        path = tmp_path / "annotations.xml"
        path.write_text(f"<annotations>{META}{''.join(lines)}</annotations>")
        return path

    return write


POLYGON = f'<polygon label="nut" points="{SQUARE}"/>'


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        (("7", "3", "12"), [(3, "b.png"), (7, "a.png"), (12, "c.png")]),
        (("2", "0", "1"), [(1, "b.png"), (2, "c.png"), (3, "a.png")]),  # one up, as none may be 0
        (("4", "4", "5"), [(1, "a.png"), (2, "b.png"), (3, "c.png")]),
        (("4", "", "x"), [(1, "a.png"), (2, "b.png"), (3, "c.png")]),
        (("4", "04", "5"), [(1, "a.png"), (2, "b.png"), (3, "c.png")]),
    ],
)
def test_ids_of_images_stay_where_they_differ(several, written, ids):
    names = ("a.png", "b.png", "c.png")
    path = several(*zip(written, names, (POLYGON, "", POLYGON), strict=True), pictures=names)
    coco = read_cvat(path).coco
    assert [(row["id"], row["file_name"]) for row in coco["images"]] == ids
    by_name = {name: number for number, name in ids}
    assert sorted(row["image_id"] for row in coco["annotations"]) == sorted([by_name["a.png"], by_name["c.png"]])


def test_pictures_that_the_file_does_not_list_are_no_part_of_the_set(several):
    path = several((0, "a.png", POLYGON), (1, "b.png", ""), pictures=("a.png", "b.png", "c.png", "d.png"))
    conversion = read_cvat(path)
    assert [row["file_name"] for row in conversion.coco["images"]] == ["a.png", "b.png"]
    assert conversion.unannotated == 1  # CVAT lists it, without a shape
    (reason,) = conversion.left_out.counts
    assert "the XML does not list" in reason and "in c.png, d.png" in conversion.report()
    assert [row["file_name"] for row in read_cvat(path, annotated_only=True).coco["images"]] == ["a.png"]


def test_an_image_that_is_wrong_costs_itself(several, photo, tmp_path):
    images = [(0, "a.png", POLYGON), (1, "b.png", POLYGON), (2, "c.png", ""), (3, "d.png", ""), (4, "e.png", POLYGON)]
    path = several(*images, (5, "a.png", POLYGON), pictures=("a.png", "b.png", "c.png", "d.png"))
    photo(tmp_path / "images" / "b.png", 8, 6)
    photo(tmp_path / "images" / "c.png", 7, 7)
    (tmp_path / "images" / "d.png").write_bytes(b"junk")
    conversion = read_cvat(path)
    assert [(row["id"], row["file_name"]) for row in conversion.coco["images"]] == [(1, "a.png")]
    assert len(conversion.coco["annotations"]) == 1
    assert conversion.left_out.counts == {IMAGE: 5}  # of another size (2), junk, not there, listed twice
