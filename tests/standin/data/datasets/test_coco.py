"""COCO files: what is read, what is left out, and the sentence for each way in which a file can be wrong."""

import json
import logging
import sys

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import coco, convert_to_coco_json, load_coco_json, load_sem_seg, register_coco_instances
from detectron2.data.datasets.coco import convert_to_coco_dict
from detectron2.structures import BoxMode
from PIL import Image
from pycocotools import mask as coco_mask

TRIANGLE = [1.0, 1.0, 5.0, 1.0, 1.0, 5.0]


def _content():
    """Two images of 8 x 10, listed in reverse, with categories 3 and 7, listed in reverse."""
    return {
        "images": [
            {"id": 20, "file_name": "b.png", "height": 8, "width": 10},
            {"id": 10, "file_name": "sub/a.png", "height": 8, "width": 10},
        ],
        "categories": [{"id": 7, "name": "seven"}, {"id": 3, "name": "three"}],
        "annotations": [_annotation(1, 20, 7), _annotation(2, 20, 3)],
    }


def _annotation(anno_id, image_id, category_id, **more):
    fields = {"bbox": [1, 1, 4, 4], "area": 8, "iscrowd": 0, "segmentation": [TRIANGLE]}
    return {"id": anno_id, "image_id": image_id, "category_id": category_id, **fields, **more}


@pytest.fixture
def load(tmp_path):
    """Writes a content as a file and loads it; the metadata is forgotten afterwards."""

    def write_and_load(content, name="coco_test", text=None, **kwargs):
        json_file = tmp_path / "gt.json"
        json_file.write_text(json.dumps(content) if text is None else text)
        return load_coco_json(str(json_file), str(tmp_path), name, **kwargs)

    yield write_and_load
    MetadataCatalog.pop("coco_test", None)
    DatasetCatalog.pop("coco_test", None)


def test_records_by_hand(load, tmp_path):
    first, second = load(_content())
    assert first == {
        "file_name": str(tmp_path / "sub/a.png"),
        "height": 8,
        "width": 10,
        "image_id": 10,
        "annotations": [],  # images without annotations are kept
    }
    assert [a["category_id"] for a in second["annotations"]] == [1, 0]  # 7 -> 1, 3 -> 0
    assert second["annotations"][0] == {
        "iscrowd": 0,
        "bbox": [1, 1, 4, 4],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": 1,
        "segmentation": [TRIANGLE],
    }
    metadata = MetadataCatalog.get("coco_test")
    assert metadata.thing_classes == ["three", "seven"]
    assert metadata.thing_dataset_id_to_contiguous_id == {3: 0, 7: 1}


def test_mapping_of_ids_is_logged_unless_they_are_1_to_n(load, caplog):
    content = _content()
    with caplog.at_level(logging.INFO, logger="detectron2"):
        load(content)
    assert "3 (three) -> 0, 7 (seven) -> 1" in caplog.text
    caplog.clear()
    MetadataCatalog.remove("coco_test")
    content["categories"] = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    content["annotations"] = []
    with caplog.at_level(logging.INFO, logger="detectron2"):
        load(content)
    assert "mapped" not in caplog.text


def test_without_a_name_ids_stay_and_nothing_is_stored(load):
    before = set(MetadataCatalog.list())
    records = load(_content(), name=None)
    assert [a["category_id"] for a in records[1]["annotations"]] == [7, 3]
    assert set(MetadataCatalog.list()) == before


def test_extra_keys_are_taken_over(load):
    content = _content()
    content["annotations"][0]["depth"] = 2.5
    records = load(content, extra_annotation_keys=["depth"])
    assert records[1]["annotations"][0]["depth"] == 2.5
    assert "depth" not in records[1]["annotations"][1]


def test_run_lengths_compressed_and_not(load):
    mask = np.zeros((8, 10), np.uint8, order="F")
    mask[2:4, 1:3] = 1
    compressed = coco_mask.encode(mask)
    compressed = {"size": compressed["size"], "counts": compressed["counts"].decode()}
    plain = {
        "size": [8, 10],
        "counts": [10, 2, 6, 2, 60],
    }  # column by column: 8 + 2 off, 2 on, 6 off, 2 on, the rest off
    content = _content()
    content["annotations"] = [_annotation(i, 20, 3, segmentation=s) for i, s in enumerate((compressed, plain))]
    annos = load(content)[1]["annotations"]
    assert annos[0]["segmentation"] == compressed
    assert (coco_mask.decode(annos[1]["segmentation"]) == mask).all()


def test_invalid_polygons_are_left_out_with_one_warning(load, caplog):
    content = _content()
    odd, short = TRIANGLE + [1.0], TRIANGLE[:4]
    content["annotations"] = [
        _annotation(1, 20, 3, segmentation=[odd, TRIANGLE]),
        _annotation(2, 20, 3, segmentation=[short, odd]),
        _annotation(3, 20, 3, segmentation=[]),  # no mask at all: the box stays
    ]
    annos = load(content)[1]["annotations"]
    assert [a.get("segmentation") for a in annos] == [[TRIANGLE], None]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "left out 3 polygons" in warnings[0] and "with them 1 annotations" in warnings[0]


def test_test_images_have_no_annotations(load):
    content = _content()
    del content["annotations"]
    assert [r["annotations"] for r in load(content)] == [[], []]


def test_a_name_cannot_get_other_classes(load):
    MetadataCatalog.get("coco_test").thing_classes = ["other"]
    with pytest.raises(AssertionError, match="'thing_classes' of dataset 'coco_test' is already set"):
        load(_content())


def _change_content(**changes):
    content = _content()
    for key, value in changes.items():
        content[key] = value
    return content


def _remove_key(key):
    content = _content()
    del content[key]
    return content


RLE = {"size": [8, 10], "counts": [80]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([_annotation(1, 20, 3)], r"must hold an object with .* but holds a list: a COCO result file"),
        (_remove_key("images"), r"gt.json has no 'images'; it has categories, annotations"),
        (_remove_key("categories"), "has no 'categories'"),
        (_change_content(images={}), "'images' must be a list of objects"),
        (_change_content(annotations=[3]), "'annotations' must be a list of objects"),
        (
            _change_content(images=[{"id": 1, "file_name": "a", "height": 3}]),
            r"image number 0 \(image id 1\) must have 'width'",
        ),
        (_change_content(images=[{"id": 1, "file_name": 5, "height": 3, "width": 3}]), "must have 'file_name' as str"),
        (_change_content(images=[{"file_name": "a", "height": 3, "width": 3}]), "image number 0 must have an 'id'"),
        (
            _change_content(images=_content()["images"] * 2),
            "ids of the images must be unique, .* more than once: 20, 10",
        ),
        (_change_content(categories=[{"id": 3}]), "category number 0 must have 'name'"),
        (_change_content(categories=[{"id": 3, "name": "x"}] * 2), "ids of the categories must be unique"),
        (
            _change_content(annotations=[_annotation(5, 20, 4)]),
            r"annotation 5 \(image id 20\) has category_id 4, .*ids 3, 7",
        ),
        (
            _change_content(annotations=[_annotation(5, 21, 3)]),
            "annotation 5 belongs to image id 21, which is not among",
        ),
        (_change_content(annotations=[_annotation(5, [20], 3)]), "annotation 5 must have a 'image_id' that is"),
        (
            _change_content(annotations=[{"image_id": 20, "category_id": 3}]),
            "number 0, which has no id, must have a 'id'",
        ),
        (_change_content(annotations=[_annotation(5, 20, 3)] * 2), "ids of the annotations must be unique, .*: 5"),
        (
            _change_content(annotations=[_annotation(5, 20, 3, bbox=[1, 2, 3])]),
            r"annotation 5 \(image id 20\) must have 'bbox'",
        ),
        (_change_content(annotations=[_annotation(5, 20, 3, bbox=None)]), "must have 'bbox' .* but has None"),
        (_change_content(annotations=[_annotation(5, 20, 3, bbox=[1, 2, 3, float("nan")])]), "must have 'bbox'"),
        (_change_content(annotations=[_annotation(5, 20, 3, ignore=1)]), "annotation 5 .* has 'ignore' set"),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation="x")]),
            "annotation 5 .* segmentation of type str: use",
        ),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation=TRIANGLE)]),
            "annotation 5 .* one flat list of numbers",
        ),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation=[["a"] * 6])]),
            "polygon that is not a list of numbers",
        ),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation={"size": [8, 10]})]),
            "without 'size' or 'counts'",
        ),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation={**RLE, "size": [10, 8]})]),
            r"annotation 5 .* of size \[10, 8\], but its image is of size \[8, 10\]",
        ),
        (
            _change_content(annotations=[_annotation(5, 20, 3, segmentation={**RLE, "counts": [7]})]),
            "do not add up to the 80",
        ),
    ],
)
def test_wrong_content_gets_its_sentence(load, content, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        load(content)
    assert "gt.json" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "\x00", '{"images": [}'])
def test_no_json_gets_its_sentence(load, text):
    with pytest.raises(ValueError, match="gt.json is not JSON"):
        load(None, text=text)


def test_binary_file_is_no_json(tmp_path):
    (tmp_path / "gt.json").write_bytes(b"\xff\xfe\x9d")
    with pytest.raises(ValueError, match="gt.json is not JSON"):
        load_coco_json(str(tmp_path / "gt.json"), str(tmp_path))


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="COCO file .*none.json does not exist"):
        load_coco_json(str(tmp_path / "none.json"), str(tmp_path))
    (tmp_path / "gt.json").write_text(json.dumps(_content()))
    with pytest.raises(FileNotFoundError, match="Image folder .*nowhere of COCO file .*gt.json does not exist"):
        load_coco_json(str(tmp_path / "gt.json"), str(tmp_path / "nowhere"))


def test_registering_reads_nothing_until_used(tmp_path, load):
    json_file = tmp_path / "gt.json"
    register_coco_instances("coco_test", {"note": 1}, json_file, str(tmp_path))
    metadata = MetadataCatalog.get("coco_test")
    assert (metadata.json_file, metadata.image_root) == (str(json_file), str(tmp_path))
    assert (metadata.evaluator_type, metadata.note) == ("coco", 1)
    json_file.write_text(json.dumps(_content()))
    assert len(DatasetCatalog.get("coco_test")) == 2
    with pytest.raises(AssertionError, match="already registered"):
        register_coco_instances("coco_test", {}, str(json_file), str(tmp_path))
    with pytest.raises(TypeError, match="needs json_file as a string, but got 3"):
        register_coco_instances("other", {}, 3, str(tmp_path))


def test_semantic_segmentations_are_paired_by_name(tmp_path, caplog):
    for folder, names in (("gt", ["b.png", "a.png", "c.png"]), ("im", ["a.jpg", "b.jpg", "d.txt"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    records = load_sem_seg(str(tmp_path / "gt"), str(tmp_path / "im"))
    expected = [(str(tmp_path / "im" / f"{n}.jpg"), str(tmp_path / "gt" / f"{n}.png")) for n in "ab"]
    assert [(r["file_name"], r["sem_seg_file_name"]) for r in records] == expected
    assert "1 files" in caplog.text
    with pytest.raises(ValueError, match="has the name of one in"):
        load_sem_seg(str(tmp_path / "gt"), str(tmp_path / "im"), gt_ext="gif")
    with pytest.raises(FileNotFoundError, match="Folder .*nowhere does not exist"):
        load_sem_seg(str(tmp_path / "nowhere"), str(tmp_path))


def test_main_counts_and_names_what_is_absent(tmp_path, load, monkeypatch, capsys):
    (tmp_path / "gt.json").write_text(json.dumps(_content()))
    monkeypatch.setattr(sys, "argv", ["coco", str(tmp_path / "gt.json"), str(tmp_path), "coco_test"])
    with pytest.raises(SystemExit, match="2 of 2 images do not exist; the first is .*a.png"):
        coco.main()
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.png", "b.png"):
        Image.new("RGB", (10, 8)).save(tmp_path / name)
    coco.main()
    assert "three  1" in capsys.readouterr().out


def test_left_out_names_say_so():
    import detectron2.data.datasets as datasets

    with pytest.raises(ImportError, match="leaves out panoptic segmentation"):
        _ = datasets.register_coco_panoptic
    with pytest.raises(ImportError, match="leaves out the LVIS dataset"):
        _ = datasets.load_lvis_json
    with pytest.raises(AttributeError):
        _ = datasets.no_such_name


NAME = "export_test"
SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]
MASK = np.zeros((8, 10), np.uint8)
MASK[2:5, 3:7] = 1  # 12 pixels


@pytest.fixture
def register():
    def under_name(records, **metadata):
        DatasetCatalog.register(NAME, lambda: records)
        MetadataCatalog.get(NAME).set(**{"thing_classes": ["a", "b"], **metadata})

    yield under_name
    DatasetCatalog.pop(NAME, None)
    MetadataCatalog.pop(NAME, None)


def _record(*annotations, **more):
    return {"file_name": "x.png", "height": 8, "width": 10, "image_id": 40, "annotations": list(annotations), **more}


def _anno(category_id=0, bbox=(1, 1, 5, 5), mode=BoxMode.XYXY_ABS, **more):
    return {"category_id": category_id, "bbox": bbox, "bbox_mode": mode, **more}


def test_boxes_areas_and_ids_by_hand(register):
    rle = coco_mask.encode(np.asfortranarray(MASK))
    uncompressed = {"size": [8, 10], "counts": [26, 3, 5, 3, 5, 3, 5, 3, 27]}
    register(
        [
            _record(
                _anno(1, segmentation=[SQUARE]),
                _anno(0, bbox=np.array([3, 2, 7, 5]), segmentation=rle, iscrowd=1),
                _anno(0, bbox=[3, 2, 4, 3], mode=BoxMode.XYWH_ABS, segmentation=uncompressed),
                _anno(0, bbox=(3, 2, 7, 5), segmentation=MASK.astype(bool)),
                _anno(0, bbox=[0.12345, 0, 2, 3]),
            )
        ],
        thing_dataset_id_to_contiguous_id={5: 0, 9: 1},
    )
    coco = convert_to_coco_dict(NAME)
    json.dumps(coco)
    assert coco["images"] == [{"id": 40, "width": 10, "height": 8, "file_name": "x.png"}]
    assert coco["categories"] == [{"id": 5, "name": "a"}, {"id": 9, "name": "b"}]
    annos = coco["annotations"]
    assert [a["id"] for a in annos] == [1, 2, 3, 4, 5]
    assert {a["image_id"] for a in annos} == {40}
    assert [a["category_id"] for a in annos] == [9, 5, 5, 5, 5]
    assert [a["iscrowd"] for a in annos] == [0, 1, 0, 0, 0]
    assert [a["bbox"] for a in annos[:4]] == [[1, 1, 4, 4]] + [[3, 2, 4, 3]] * 3
    assert annos[4]["bbox"] == [0.123, 0, 1.877, 3]
    assert [a["area"] for a in annos] == pytest.approx([16, 12, 12, 12, 1.877 * 3])
    assert annos[0]["segmentation"] == [SQUARE]
    assert all((coco_mask.decode(a["segmentation"]) == MASK).all() for a in annos[1:4])
    assert "segmentation" not in annos[4]


def test_there_and_back(register, tmp_path):
    record = _record(
        _anno(1, bbox=[1.0, 1.0, 4.0, 4.0], mode=BoxMode.XYWH_ABS, iscrowd=0, segmentation=[SQUARE]),
        file_name=str(tmp_path / "x.png"),
    )
    register([record, _record(image_id=41)])
    convert_to_coco_json(NAME, str(tmp_path / "new" / "out.json"))
    back = load_coco_json(str(tmp_path / "new" / "out.json"), "")
    assert back[0] == record
    assert back[1]["annotations"] == []


def test_without_annotations_and_ids(register):
    register([{"file_name": "x.png", "height": 8, "width": 10}, {"file_name": "y.png", "height": 8, "width": 10}])
    coco = convert_to_coco_dict(NAME)
    assert [i["id"] for i in coco["images"]] == [0, 1]
    assert "annotations" not in coco


def test_a_file_that_exists_is_kept_unless_told_otherwise(register, tmp_path):
    register([_record()])
    out = tmp_path / "out.json"
    out.write_text("{}")
    convert_to_coco_json(NAME, str(out))
    assert out.read_text() == "{}"
    convert_to_coco_json(NAME, str(out), allow_cached=False)
    assert len(json.loads(out.read_text())["images"]) == 1


def test_a_failed_conversion_leaves_no_file(register, tmp_path):
    register([_record(_anno(segmentation="mask"))])
    with pytest.raises(ValueError, match="image id 40 has a segmentation of type str"):
        convert_to_coco_json(NAME, str(tmp_path / "out.json"))
    assert not (tmp_path / "out.json").exists()


def test_a_record_without_a_size_says_so(register):
    register([{"file_name": "x.png"}])
    with pytest.raises(ValueError, match="Record 0 of dataset 'export_test' has no 'width'"):
        convert_to_coco_dict(NAME)
