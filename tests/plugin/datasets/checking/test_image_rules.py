"""Every rule on image files: found on damaged files with what is wrong, silent on a sound set."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.checking import image_reading
from maskrcnn_project.datasets.checking.findings import Findings, ImageFaults
from maskrcnn_project.datasets.checking.image_rules import check_image_files, check_shared_images, size_fault
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from tests.places import NUCLEI

HEIGHT, WIDTH = 40, 60


def noise(seed, height=HEIGHT, width=WIDTH):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def make_side(root, names, split="train", height=HEIGHT, width=WIDTH):
    """Images 1, 2, ... with one small annotation each."""
    images = [{"id": i, "file_name": name, "height": height, "width": width} for i, name in enumerate(names, 1)]
    annotations = [
        {"id": image["id"], "image_id": image["id"], "category_id": 1, "bbox": [5, 5, 9, 9]} for image in images
    ]
    return SplitTables(split, Path(f"{split}.json"), root, images, annotations, [{"id": 1, "name": "thing"}])


@pytest.fixture
def tables(tmp_path):
    """Six sound images: 1.png to 3.png, and more/4.jpg to more/6.jpg."""
    (tmp_path / "more").mkdir()
    names = [f"{i}.png" for i in (1, 2, 3)] + [f"more/{i}.jpg" for i in (4, 5, 6)]
    for seed, name in enumerate(names):
        noise(seed).save(tmp_path / name)
    return make_side(tmp_path, names)


def found_by(tables, **options):
    """The findings of one split by rule id: [(image id, file name, detail)]; and its faults."""
    findings = Findings()
    faults = check_image_files(tables, findings, progress=False, **options)
    return by_rule(findings), faults


def by_rule(findings):
    return {
        finding.rule.id: [(example.image_id, example.file_name, example.detail) for example in finding.examples]
        for finding in findings
    }


def damage(path, share=0.5):
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])


def save_turned(path, orientation, seed=0, height=HEIGHT, width=WIDTH):
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(seed, height, width).save(path, exif=exif)


@pytest.mark.parametrize("quick", [True, False])
def test_a_sound_set(tables, quick):
    assert found_by(tables, quick=quick) == ({}, ImageFaults())


def test_stacks_are_named_and_so_are_those_of_other_lengths(tables):
    pages = [Image.fromarray(np.full((HEIGHT, WIDTH), value, np.uint8)) for value in (10, 20, 30)]
    pages[0].save(tables.image_root / "2.png", "TIFF", save_all=True, append_images=pages[1:])
    found, faults = found_by(tables)
    assert found == {
        "image-pages": [(2, "2.png", "3 pages")],
        "image-pages-differ": [(2, "2.png", "3 pages, but most have 1")],
    }
    assert faults == ImageFaults()


def test_images_of_more_than_8_bits_are_named(tables):
    values = np.random.default_rng(9).integers(800, 5000, (HEIGHT, WIDTH), dtype=np.uint16)
    Image.fromarray(values).save(tables.image_root / "2.png")
    found, faults = found_by(tables)
    assert found == {"image-deep": [(2, "2.png", "more than 8 bits per value")]}
    assert faults == ImageFaults()  # they are good to train on
    assert found_by(tables, quick=True) == ({}, ImageFaults())


@pytest.mark.parametrize("quick", [True, False])
def test_missing_images(tables, quick):
    (tables.image_root / "1.png").unlink()
    (tables.image_root / "more/4.jpg").rename(tables.image_root / "more/4.JPG")
    found, faults = found_by(tables, quick=quick)
    assert found["image-missing"] == [
        (1, "1.png", f"1.png is not in {tables.image_root}"),
        (
            4,
            "more/4.jpg",
            f"more/4.jpg is not in {tables.image_root}; the folder holds 'more/4.JPG', "
            "which differs in upper and lower case",
        ),
    ]
    assert faults == ImageFaults(unusable={1: "image-missing", 4: "image-missing"})


def test_an_empty_folder(tables, tmp_path):
    tables.image_root = tmp_path / "empty"
    tables.image_root.mkdir()
    found, faults = found_by(tables)
    assert len(found["image-missing"]) == 5 and len(faults.unusable) == 6  # five of them as examples
    assert (
        found["image-missing"][0][2]
        == f"1.png is not in {tmp_path / 'empty'}; {tmp_path / 'empty'} holds no image file"
    )


def test_no_images_are_listed(tables):
    tables.images.clear()
    found, faults = found_by(tables)
    assert list(found) == ["image-unlisted"] and faults == ImageFaults()


def test_without_a_folder_nothing_is_looked_at(tables):
    tables.image_root = None
    assert found_by(tables) == ({}, ImageFaults())
    findings = Findings()
    check_shared_images(tables, tables, findings, progress=False)
    assert not len(findings)


@pytest.mark.parametrize("quick", [True, False])
def test_unlisted_images(tables, quick):
    for name in ("new.png", "more/new.JPG", "more/deep/new.tif", "notes.txt", "more/all.json", ".thumb.png"):
        (tables.image_root / name).parent.mkdir(exist_ok=True)
        (tables.image_root / name).touch()
    found, faults = found_by(tables, quick=quick)
    names = [name for _, name, _ in found.pop("image-unlisted")]
    assert names == ["new.png", "more/new.JPG", "more/deep/new.tif"]
    assert (found, faults) == ({}, ImageFaults())


def test_images_of_the_other_split_are_not_unlisted(tables):
    train, val = make_side(tables.image_root, ["1.png", "2.png"]), make_side(tables.image_root, ["3.png"], "val")
    found, _ = found_by(train, quick=True, other=val)
    assert [name for _, name, _ in found["image-unlisted"]] == ["more/4.jpg", "more/5.jpg", "more/6.jpg"]


def test_folders_beside_those_of_the_listed_images_are_those_of_other_sets(tables):
    assert found_by(make_side(tables.image_root, [f"more/{i}.jpg" for i in (4, 5, 6)])) == ({}, ImageFaults())


def test_images_with_other_suffixes_than_usual_count_where_the_set_has_such(tables):
    for name in ("a.gif", "b.gif"):
        noise(9).save(tables.image_root / name)
    names = [f"{i}.png" for i in (1, 2, 3)] + ["a.gif"]
    found, _ = found_by(make_side(tables.image_root, names), quick=True)
    assert "b.gif" in [name for _, name, _ in found["image-unlisted"]]


def test_unreadable_and_truncated_images(tables):
    (tables.image_root / "1.png").write_text("I am no picture")
    damage(tables.image_root / "2.png")
    damage(tables.image_root / "more/4.jpg", share=0.9)
    (tables.image_root / "more/5.jpg").write_bytes(b"")
    found, faults = found_by(tables)
    assert found.pop("image-unreadable") == [
        (1, "1.png", "cannot be decoded (no image format is known that begins with b'I am no ')"),
        (5, "more/5.jpg", "cannot be decoded (the file is empty)"),
    ]
    assert [(image_id, name) for image_id, name, _ in found.pop("image-truncated")] == [(2, "2.png"), (4, "more/4.jpg")]
    assert not found
    assert faults.sizes == {}
    assert faults.unusable == {
        1: "image-unreadable",
        2: "image-truncated",
        4: "image-truncated",
        5: "image-unreadable",
    }


def test_wrong_sizes(tables):
    noise(1, HEIGHT + 2, WIDTH).save(tables.image_root / "1.png")
    noise(2, WIDTH, HEIGHT).save(tables.image_root / "2.png")
    found, faults = found_by(tables)
    assert found == {
        "image-size": [
            (1, "1.png", "is 42x60 (height x width), but the JSON says 40x60"),
            (2, "2.png", "is 60x40 (height x width), but the JSON says 40x60: the sides are exchanged"),
        ]
    }
    assert faults == ImageFaults(sizes={1: (42, 60), 2: (60, 40)})


def test_a_wrong_size_in_the_json_that_is_no_number(tables):
    tables.images[0]["height"] = None  # a malformed row, of which table rules speak
    found, _ = found_by(tables)
    assert list(found) == ["image-unlisted"]


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_turn_that_keeps_the_size(tables, orientation):
    save_turned(tables.image_root / "more/4.jpg", orientation)
    found, faults = found_by(tables)
    (row,) = found.pop("image-exif")
    assert row[:2] == (4, "more/4.jpg")
    assert f"EXIF orientation {orientation}" in row[2] and "cannot be told which picture was annotated" in row[2]
    assert (found, faults) == ({}, ImageFaults())


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("annotated", ["stored", "upright"])
@pytest.mark.parametrize("sized", ["stored", "upright"])
def test_a_turn_that_exchanges_the_sides(tables, orientation, annotated, sized):
    save_turned(tables.image_root / "more/4.jpg", orientation)
    if sized == "upright":
        tables.images[3].update(height=WIDTH, width=HEIGHT)
    # in the stored picture, 40 x 60, at the right edge; in the upright one, 60 x 40, at the lower edge
    tables.annotations[3]["bbox"] = [48, 5, 10, 10] if annotated == "stored" else [5, 48, 10, 10]
    found, faults = found_by(tables)
    (row,) = found.pop("image-exif")
    assert row[:2] == (4, "more/4.jpg") and f"the {annotated} one was annotated" in row[2]
    if sized == "stored":
        ((_, _, detail),) = found.pop("image-size")
        assert detail == (
            "is 60x40 (height x width), but the JSON says 40x60: the sides are exchanged; "
            f"that is its size before it is turned as its EXIF orientation {orientation} says"
        )
    assert not found
    # the true size helps only where the annotations belong to what is read
    assert faults.sizes == ({4: (60, 40)} if (sized, annotated) == ("stored", "upright") else {})


def test_duplicate_images(tables):
    shutil.copy(tables.image_root / "1.png", tables.image_root / "copy.png")
    Image.open(tables.image_root / "2.png").save(tables.image_root / "written_again.png", compress_level=0)
    Image.open(tables.image_root / "more/4.jpg").save(tables.image_root / "converted.png")
    more = ["copy.png", "written_again.png", "converted.png"]
    found, faults = found_by(make_side(tables.image_root, [row["file_name"] for row in tables.images] + more))
    assert found == {
        "image-duplicate": [
            (7, "copy.png", "byte for byte the same as image 1 (1.png)"),
            (8, "written_again.png", "the same pixels as image 2 (2.png)"),
            (9, "converted.png", "the same pixels as image 4 (more/4.jpg)"),
        ]
    }
    assert faults == ImageFaults()


def test_one_file_listed_twice_is_no_duplicate_of_itself(tables):
    """Another rule (file-repeated) speaks of it."""
    names = [row["file_name"] for row in tables.images]
    assert found_by(make_side(tables.image_root, [*names, "./1.png", "more/../2.png"])) == ({}, ImageFaults())


def test_faults_speak_of_the_first_image_of_an_id(tables):
    """The second is another image, which gets an id of its own: its fault must not remove the first."""
    tables.images.append({"id": 1, "file_name": "none.png", "height": HEIGHT, "width": WIDTH})
    found, faults = found_by(tables)
    assert [row[:2] for row in found["image-missing"]] == [(1, "none.png")]
    assert faults == ImageFaults()


def test_images_in_both_splits(tables, tmp_path):
    other = tmp_path / "val"
    other.mkdir()
    shutil.copy(tables.image_root / "1.png", other / "one.png")
    Image.open(tables.image_root / "2.png").save(other / "two.bmp")
    noise(99).save(other / "own.png")
    (other / "broken.png").touch()
    (tables.image_root / "3.png").write_bytes(b"")
    val = make_side(other, ["one.png", "two.bmp", "own.png", "broken.png", "../more/4.jpg", "none.png"], "val")
    findings = Findings()
    check_shared_images(tables, val, findings, progress=False)
    assert [finding.split for finding in findings] == ["val"]
    assert by_rule(findings) == {
        "image-in-both": [
            (1, "one.png", "byte for byte the same as image 1 of train (1.png)"),
            (2, "two.bmp", "the same pixels as image 2 of train (2.png)"),
            (5, "../more/4.jpg", "the same file as image 4 of train (more/4.jpg)"),
        ]
    }


def test_no_image_in_both(tables):
    findings = Findings()
    names = [row["file_name"] for row in tables.images]
    parts = make_side(tables.image_root, names[:3]), make_side(tables.image_root, names[3:], "val")
    check_shared_images(*parts, findings, progress=False)
    assert not len(findings)


def test_no_file_is_read_twice(tables, monkeypatch):
    paths, read = [], image_reading.read_picture
    monkeypatch.setattr(image_reading, "read_picture", lambda path, **more: paths.append(path) or read(path, **more))
    names = [row["file_name"] for row in tables.images]
    train, val = make_side(tables.image_root, names[:4]), make_side(tables.image_root, names[3:], "val")
    findings, pictures = Findings(), {}
    for one, other in ((train, val), (val, train)):
        check_image_files(one, findings, progress=False, other=other, pictures=pictures)
    check_shared_images(train, val, findings, progress=False, pictures=pictures)
    assert len(paths) == len(names)
    assert list(by_rule(findings)) == ["image-in-both"]


def test_quick_decodes_nothing(tables, monkeypatch):
    monkeypatch.setattr(image_reading, "read_picture", None)
    assert found_by(tables, quick=True)[0] == {}


def test_the_size_of_the_json_may_be_written_as_a_float():
    picture = image_reading.DecodedImage(stored=(40, 60))
    assert size_fault({"height": 40.0, "width": 60.0}, picture) == ""


@pytest.fixture
def nuclei(tmp_path):
    """Six real images, copied, with their annotations."""
    if not NUCLEI.is_dir():
        pytest.skip(f"the nuclei images are not at {NUCLEI}")
    content = json.loads((NUCLEI / "val.json").read_text())
    images = content["images"][:6]
    for image in images:
        shutil.copy(NUCLEI / "val" / image["file_name"], tmp_path)
    kept = {image["id"] for image in images}
    annotations = [row for row in content["annotations"] if row["image_id"] in kept]
    return SplitTables("val", tmp_path / "val.json", tmp_path, images, annotations, content["categories"])


def test_real_images_are_sound(nuclei):
    assert found_by(nuclei) == ({}, ImageFaults())


def test_real_images_that_were_damaged(nuclei):
    paths = [nuclei.image_root / image["file_name"] for image in nuclei.images]
    damage(paths[0])
    paths[1].write_text("lost")
    paths[2].unlink()
    nuclei.images[3]["width"] += 1
    shutil.copy(paths[4], paths[5])
    shutil.copy(paths[4], nuclei.image_root / "again.png")
    found, faults = found_by(nuclei)
    ids = [image["id"] for image in nuclei.images]
    assert {rule_id: [row[0] for row in rows] for rule_id, rows in found.items()} == {
        "image-truncated": [ids[0]],
        "image-unreadable": [ids[1]],
        "image-missing": [ids[2]],
        "image-size": [ids[3]],
        "image-duplicate": [ids[5]],
        "image-unlisted": [None],
    }
    assert set(faults.unusable) == set(ids[:3]) and set(faults.sizes) == {ids[3]}
