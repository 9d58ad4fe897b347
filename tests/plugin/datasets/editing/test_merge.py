"""Merged files: classes by name, ids told apart, images found, what came from where."""

import json

import pytest
from PIL import Image

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.editing.merge import merge_coco, write_merged
from maskrcnn_project.datasets.editing.split import split_parts
from maskrcnn_project.errors import DatasetError


def coco_of(names, categories, shown, first_id=1):
    """A COCO dict of 4x6 images ``names``, ids from ``first_id``; ``shown``: (position of the image, category id)."""
    return {
        "images": [{"id": n, "file_name": name, "height": 4, "width": 6} for n, name in enumerate(names, first_id)],
        "annotations": [
            {"id": n, "image_id": first_id + image, "category_id": category, "bbox": [0, 0, 2, 2], "area": 4}
            for n, (image, category) in enumerate(shown, first_id)
        ],
        "categories": [{"id": n, "name": name} for n, name in categories.items()],
    }


A = coco_of(["x.png", "y.png"], {1: "nut", 2: "screw"}, [(0, 1), (1, 2)])
B = coco_of(["x.png", "z.png"], {1: "screw", 5: "washer"}, [(0, 1), (1, 5), (1, 1)], first_id=2)


def written(root, name, coco, colours=()):
    """Writes ``coco`` and its images, each of one colour, so that the same colour makes the same file."""
    folder = root / name
    for image, colour in zip(coco["images"], colours, strict=True):
        path = folder / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (image["width"], image["height"]), (colour, 0, 0)).save(path)
    (root / f"{name}.json").write_text(json.dumps(coco), "utf-8")
    return root / f"{name}.json", folder


@pytest.fixture
def sets(tmp_path):
    """Two sets in two folders; ``x.png`` has the same name in both, but is another image."""
    return written(tmp_path, "a", A, (10, 20)), written(tmp_path, "b", B, (30, 40))


def test_classes_are_joined_by_name():
    merged = merge_coco([A, B], ["a.json", "b.json"])
    assert [(row["id"], row["name"]) for row in merged["categories"]] == [(1, "nut"), (2, "screw"), (5, "washer")]
    assert [row["category_id"] for row in merged["annotations"]] == [1, 2, 2, 5, 2]


def test_a_taken_category_id_changes():
    merged = merge_coco([A, coco_of(["z.png"], {1: "gear"}, [(0, 1)], first_id=9)], ["a", "b"])
    assert [(row["id"], row["name"]) for row in merged["categories"]] == [(1, "nut"), (2, "screw"), (3, "gear")]
    assert merged["annotations"][2]["category_id"] == 3


def test_conflicting_ids_are_numbered_anew_and_the_others_stay():
    merged = merge_coco([A, B], ["a.json", "b.json"])
    assert [row["id"] for row in merged["images"]] == [1, 2, 4, 3]  # of 2 and 3, 2 was taken
    assert [row.get("merged_id") for row in merged["images"]] == [None, None, 2, None]
    assert [row["merged_from"] for row in merged["images"]] == ["a.json", "a.json", "b.json", "b.json"]
    assert [(row["id"], row.get("merged_id"), row["image_id"]) for row in merged["annotations"]] == [
        (1, None, 1), (2, None, 2), (5, 2, 4), (3, None, 3), (4, None, 3),
    ]  # fmt: skip
    assert A["images"][0] == {"id": 1, "file_name": "x.png", "height": 4, "width": 6}  # the sources are untouched


def test_names_that_are_nearly_equal_are_told(caplog):
    merge_coco([A, coco_of(["z.png"], {1: "Nut "}, [])], ["a", "b"])
    assert caplog.messages == ["'nut' and 'Nut ' are taken for different classes: rename them if they are one."]


def test_licences_are_joined_and_images_keep_theirs():
    one = {**A, "licenses": [{"id": 1, "name": "CC0", "url": "u"}], "info": {"year": 1}, "extra": 1}
    other = {**B, "licenses": [{"id": 1, "name": "MIT", "url": "v"}, {"id": 2, "name": "CC0", "url": "u"}], "extra": 2}
    other["images"] = [{**B["images"][0], "license": 1}, {**B["images"][1], "license": 2}]
    merged = merge_coco([one, other], ["a", "b"])
    assert [(row["id"], row["name"]) for row in merged["licenses"]] == [(1, "CC0"), (3, "MIT")]
    assert [row.get("license") for row in merged["images"]] == [None, None, 3, 1]
    assert merged["extra"] == 1 and merged["info"]["merged_from"] == ["a", "b"]


def test_images_are_found_from_the_common_folder(sets, tmp_path):
    (a, images_a), (b, images_b) = sets
    merged = write_merged([a, b], tmp_path / "out" / "both.json", [images_a, images_b])
    assert [row["file_name"] for row in merged.coco["images"]] == ["a/x.png", "a/y.png", "b/x.png", "b/z.png"]
    assert merged.image_root == tmp_path and merged.same_images == 0
    assert [row["merged_file_name"] for row in merged.coco["images"]] == ["x.png", "y.png", "x.png", "z.png"]
    data = read_coco_file(tmp_path / "out" / "both.json", merged.image_root)  # checks ids and files
    assert data.as_dict() == merged.coco
    assert "4 images, 5 annotations, 3 classes" in merged.text()


def test_another_root_and_prefixes(sets, tmp_path):
    (a, images_a), (b, images_b) = sets
    merged = write_merged([a, b], tmp_path / "1.json", [images_a, images_b], root=tmp_path.parent)
    assert merged.coco["images"][0]["file_name"] == f"{tmp_path.name}/a/x.png"
    merged = write_merged([a, b], tmp_path / "2.json", prefixes=["first", "second/"])
    assert [row["file_name"] for row in merged.coco["images"]][1:3] == ["first/y.png", "second/x.png"]
    assert merged.image_root is None


def test_the_same_image_is_refused_unless_told_otherwise(tmp_path):
    """``y.png`` of the first file has the content of ``z.png`` of the second."""
    (a, images_a), (b, images_b) = written(tmp_path, "a", A, (10, 20)), written(tmp_path, "b", B, (30, 20))

    def merged(name, policy):
        how = {"same_image": policy} if policy else {}
        return write_merged([a, b], tmp_path / f"{name}.json", [images_a, images_b], **how)

    with pytest.raises(
        DatasetError, match=r"1 of 2 images of .*b.json are in .*a.json too, e.g. z.png \(there y.png\)"
    ):
        merged("refused", None)
    assert not (tmp_path / "refused.json").exists()

    joined = merged("joined", "join")
    assert joined.same_images == 1
    assert [row["file_name"] for row in joined.coco["images"]] == ["a/x.png", "a/y.png", "b/x.png"]
    assert [(row["image_id"], row.get("merged_from")) for row in joined.coco["annotations"]] == [
        (1, None), (2, None), (3, None), (2, "b.json"), (2, "b.json"),
    ]  # fmt: skip
    assert len(merged("first", "first").coco["annotations"]) == 3
    assert len(merged("kept", "keep").coco["images"]) == 4


def test_two_annotation_files_of_one_folder_are_joined(tmp_path):
    other = coco_of(["x.png", "y.png"], {1: "scratch"}, [(0, 1)])
    (a, images), (b, _) = written(tmp_path, "a", A, (10, 20)), written(tmp_path, "b", other, (30, 40))
    merged = write_merged([a, b], tmp_path / "both.json", [images], same_image="join")
    assert [row["file_name"] for row in merged.coco["images"]] == ["x.png", "y.png"]
    assert merged.image_root == images and len(merged.coco["annotations"]) == 3
    assert merged.coco["categories"][-1]["name"] == "scratch"


def test_images_to_be_joined_must_have_one_size():
    larger = {**B, "images": [{**B["images"][0], "height": 5}, B["images"][1]]}
    with pytest.raises(DatasetError, match="5x6 .height x width. in b, but 4x6 in a"):
        merge_coco([A, larger], ["a", "b"], {(1, 2): (0, 1)}, join=True)


def test_merged_tiles_and_their_photographs_are_not_parted(tmp_path):
    tiles = coco_of(["x_1.png", "x_2.png"], {1: "nut"}, [(0, 1), (1, 1)])
    for image in tiles["images"]:
        image["source_file_name"] = "x.png"
    a, b = written(tmp_path, "a", A, (10, 20)), written(tmp_path, "b", tiles, (30, 40))
    coco = write_merged([a[0], b[0]], tmp_path / "both.json", [a[1], b[1]]).coco
    for seed in range(4):
        parts = split_parts(coco, {"train": 0.5, "val": 0.5}, seed)
        names = [sorted(row["file_name"] for row in part["images"]) for part in parts.values()]
        assert sorted(names) == [["a/x.png", "b/x_1.png", "b/x_2.png"], ["a/y.png"]]


def test_what_does_not_fit(sets, tmp_path):
    (a, images_a), (b, _) = sets
    new = tmp_path / "new.json"
    with pytest.raises(DatasetError, match="two COCO files or more"):
        write_merged([a], new, [images_a])
    with pytest.raises(DatasetError, match="has 2 files, 0 folders and 0 prefixes"):
        write_merged([a, b], new)
    with pytest.raises(DatasetError, match="as many prefixes"):
        write_merged([a, b], new, prefixes=["one"])
    with pytest.raises(DatasetError, match="z.png"):  # which is not in the folder of the first
        write_merged([a, b], new, [images_a])
    with pytest.raises(DatasetError, match="is not below the root"):
        write_merged([a, b], new, [images_a, tmp_path / "b"], root=images_a)
    with pytest.raises(DatasetError, match="do not go together"):
        write_merged([a, b], new, prefixes=["a", "b"], root=tmp_path)
    assert not new.exists()
    with pytest.raises(DatasetError, match="a.json exists already"):
        write_merged([a, b], a, prefixes=["a", "b"])
