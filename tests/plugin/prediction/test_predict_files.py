"""The flow over files, with a model that takes no time and counts what it is shown."""

import csv
import errno
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.data import MetadataCatalog

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.inference.thresholds import ScoreThresholds
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.modeling.class_table import ClassTable
from maskrcnn_project.prediction.journal import FOLDER
from maskrcnn_project.prediction.options import Options
from maskrcnn_project.prediction.predict_files import predict_files
from maskrcnn_project.prediction.shard import Shard
from maskrcnn_project.prediction.sources import find_sources
from maskrcnn_project.prediction.video import frame_count, read_frames
from tests.plugin.prediction.films import write_film

OPTIONS = Options(ScoreThresholds(0.5), workers=2)
TABLES = replace(OPTIONS, write=("coco", "measurements"))


class Brightness:
    """Finds two overlapping halves in each image: "cell" with score 0.9, "dirt" with one that the brightness tells."""

    def __init__(self, folder):
        self.classes = ClassTable(("cell", "dirt"), (3, 7))
        self.metadata = MetadataCatalog.get("__brightness").set(thing_classes=["cell", "dirt"])
        self.cfg = get_cfg()
        add_maskrcnn_config(self.cfg)
        self.cfg.MODEL.MASK_ON = True
        self.cfg.MODEL.DEVICE, self.cfg.MODEL.WEIGHTS = "cpu", str(folder / "weights.pth")
        (folder / "weights.pth").write_bytes(b"weights")
        self.values = None  # its images have 8 bits
        self.shown = []  # brightness of all images that it was shown
        self.dies_after = None  # so many images

    def detect(self, images):
        found = []
        for image in images:
            if len(self.shown) == self.dies_after:
                raise KeyboardInterrupt
            self.shown.append(int(image[0, 0, 0]))
            found.append(two_halves(*image.shape[:2], image[0, 0, 0] / 100))
        return found


def two_halves(height, width, second_score):
    middle = width // 2
    left, right = np.zeros((2, height, width), bool)
    left[:, : middle + 1], right[:, middle - 1 :] = True, True
    boxes = np.array([[0, 0, middle + 1, height], [middle - 1, 0, width, height]], np.float32)
    scores = np.array([0.9, second_score], np.float32)
    return Detections((height, width), boxes, scores, np.array([0, 1]), [encode(left), encode(right)])


@pytest.fixture
def predictor(tmp_path):
    return Brightness(tmp_path)


@pytest.fixture
def images(tmp_path):
    """Five images of two sizes and the brightnesses 50 to 54: all of their "dirt" is found at 0.5, one at 0.54."""
    for number, size in enumerate([(8, 10), (8, 12), (8, 10), (8, 12), (8, 10)]):
        write_image(tmp_path / f"in/sub/{number}.png", 50 + number, size)
    return tmp_path / "in"


def write_image(path, brightness, size=(8, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), brightness, np.uint8))


def predict(predictor, images, options=OPTIONS, shard=None, output="out"):
    output = images.parent / output
    return predict_files(predictor, find_sources([str(images)], None, output), output, options, shard)


def tables(images, output="out"):
    return [(images.parent / output / name).read_bytes() for name in ("predictions.json", "measurements.csv")]


def table(images, output="out"):
    return json.loads(tables(images, output)[0])


def test_everything_is_written_in_the_order_of_the_inputs(predictor, images):
    options = replace(OPTIONS, write=("drawn", "labelme", "instances", "cutouts", "coco", "measurements"), batch_size=3)
    outcome = predict(predictor, images, options)
    assert (outcome.images, outcome.instances, outcome.earlier, outcome.failures) == (5, 10, 0, [])
    assert predictor.shown == [50, 52, 54, 51, 53], "of one size together"
    written = {p.relative_to(images.parent / "out").as_posix() for p in (images.parent / "out").rglob("*.*")}
    for number in range(5):
        assert {f"{number}.png", f"labelme/{number}.json", f"instances/{number}.png"} <= written
        assert {f"cutouts/{number}/0001_cell.png", f"cutouts/{number}/0002_dirt.png"} <= written
    content = table(images)
    assert [image["file_name"] for image in content["images"]] == [f"{number}.png" for number in range(5)]
    assert [a["category_id"] for a in content["annotations"]] == [3, 7] * 5
    rows = list(csv.DictReader((images.parent / "out/measurements.csv").open()))
    assert [row["image"] for row in rows[::2]] == [f"{number}.png" for number in range(5)]


def test_what_is_done_is_not_done_again(predictor, images):
    predict(predictor, images)
    first = tables(images)
    drawn = (images.parent / "out/0.png").stat().st_mtime_ns
    outcome = predict(predictor, images)
    assert (outcome.images, outcome.instances, outcome.earlier) == (5, 10, 5)
    assert len(predictor.shown) == 5 and tables(images) == first
    assert (images.parent / "out/0.png").stat().st_mtime_ns == drawn


def test_a_stopped_run_goes_on(predictor, images):
    predict(predictor, images, output="at_once")
    predictor.shown, predictor.dies_after = [], 2
    with pytest.raises(KeyboardInterrupt):
        predict(predictor, images)
    assert not (images.parent / "out/predictions.json").exists()
    journal = images.parent / "out" / FOLDER / "0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])  # as if the second line had been torn
    predictor.dies_after = None
    outcome = predict(predictor, images)
    assert (outcome.images, outcome.earlier) == (5, 1) and predictor.shown == [50, 51, 51, 52, 53, 54]
    assert tables(images) == tables(images, "at_once")


def test_a_new_and_a_changed_image_are_done(predictor, images):
    predict(predictor, images)
    write_image(images / "sub/00.png", 60)
    write_image(images / "sub/3.png", 20)
    os.utime(images / "sub/3.png", ns=(1, 1))
    outcome = predict(predictor, images)
    assert sorted(predictor.shown[5:]) == [20, 60]
    assert (outcome.images, outcome.instances, outcome.earlier) == (6, 11, 4), "20 is below the threshold"


def test_a_removed_image_is_not_listed_any_more(predictor, images):
    predict(predictor, images)
    (images / "sub/2.png").unlink()
    assert predict(predictor, images).images == 4
    assert [image["file_name"] for image in table(images)["images"]] == ["0.png", "1.png", "3.png", "4.png"]


def test_other_settings_are_refused_unless_forced(predictor, images):
    predict(predictor, images)
    higher = replace(OPTIONS, thresholds=ScoreThresholds(0.5, {"dirt": 0.54}))
    with pytest.raises(FileExistsError, match=r"--score-threshold was 0.5 and is 0.5,dirt=0.54\): choose another"):
        predict(predictor, images, higher)
    assert len(predictor.shown) == 5
    outcome = predict(predictor, images, replace(higher, force=True))
    assert (outcome.instances, outcome.earlier, len(predictor.shown)) == (6, 0, 10)


def test_other_weights_are_other_settings(predictor, images):
    predict(predictor, images)
    with open(predictor.cfg.MODEL.WEIGHTS, "wb") as file:
        file.write(b"weightz")
    with pytest.raises(FileExistsError, match="the weights was weights.pth .* and is weights.pth "):
        predict(predictor, images)


def test_another_form_needs_no_model(predictor, images):
    predict(predictor, images, TABLES)
    outcome = predict(predictor, images, replace(OPTIONS, write=("instances",)))
    assert len(predictor.shown) == 5 and outcome.images == 5
    assert len(list((images.parent / "out/instances").glob("*.png"))) == 5
    before = (images.parent / "out/instances/0.png").stat().st_mtime_ns
    predict(predictor, images, replace(OPTIONS, write=("instances", "labelme"), pixel_size=0.5))
    assert (images.parent / "out/instances/0.png").stat().st_mtime_ns == before
    assert len(list((images.parent / "out/labelme").glob("?.json"))) == 5 and len(predictor.shown) == 5


def test_unreadable_images_are_told_and_the_others_done(predictor, images):
    (images / "sub/1.png").write_bytes(b"no image")
    outcome = predict(predictor, images)
    [(name, why)] = outcome.failures
    assert (outcome.images, str(name)) == (4, "1.png") and "1.png cannot be decoded" in why
    write_image(images / "sub/1.png", 51)
    outcome = predict(predictor, images)
    assert (outcome.images, outcome.earlier, outcome.failures) == (5, 4, [])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_image_that_the_model_fails_on_costs_itself_alone(predictor, images, batch_size, monkeypatch):
    whole = predictor.detect

    def fails(shown):
        if any(image[0, 0, 0] == 52 for image in shown):
            raise RuntimeError("this one is too much")
        return whole(shown)

    monkeypatch.setattr(predictor, "detect", fails)
    outcome = predict(predictor, images, replace(OPTIONS, batch_size=batch_size))
    assert [(str(name), why) for name, why in outcome.undone] == [("2.png", "this one is too much")]
    assert (outcome.images, outcome.failures) == (4, [])
    assert [image["file_name"] for image in table(images)["images"]] == ["0.png", "1.png", "3.png", "4.png"]
    monkeypatch.setattr(predictor, "detect", whole)
    assert (predict(predictor, images).images, predictor.shown.count(52)) == (5, 1), "it is done at the next start"


def test_an_image_that_cannot_be_written_costs_itself_alone(predictor, images):
    name = 250 * "n"  # with .jpg.png more than the 255 bytes of file systems
    for suffix in ("jpg", "png"):
        write_image(images / f"sub/{name}.{suffix}", 60)
    (images.parent / "out/3.png/full").mkdir(parents=True)  # a folder stands in the place of a picture
    outcome = predict(predictor, images, replace(OPTIONS, force=True))
    undone = {str(image): why for image, why in outcome.undone}
    assert set(undone) == {f"{name}.jpg", f"{name}.png", "3.png"} and outcome.images == 4
    assert "too long for the file system: give the image a shorter name" in undone[f"{name}.jpg"]
    assert [image["file_name"] for image in table(images)["images"]] == ["0.png", "1.png", "2.png", "4.png"]


def test_a_full_disk_ends_the_run(predictor, images, monkeypatch):
    def full(path, picture):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("maskrcnn_project.prediction.writing.drawn_writer.save_picture", full)
    with pytest.raises(OSError, match="No space left"):
        predict(predictor, images)


def test_a_thin_image_is_done_as_every_other(predictor, images):
    write_image(images / "sub/thin.png", 60, (1, 5000))
    write = ("drawn", "labelme", "instances", "cutouts", "coco", "measurements")
    outcome = predict(predictor, images, replace(OPTIONS, write=write))
    assert (outcome.images, outcome.failures, outcome.undone) == (6, [], [])
    thin = table(images)["images"][-1]
    assert (thin["file_name"], thin["height"], thin["width"]) == ("thin.png", 1, 5000)


def test_a_video_that_cannot_be_drawn_costs_itself_alone(predictor, images, monkeypatch):
    write_film(images / "film.mp4", frames=2)

    def fails(path, frames, rate):
        raise OSError("no encoder")

    monkeypatch.setattr("maskrcnn_project.prediction.output_formats.write_video", fails)
    outcome = predict(predictor, images)
    assert [(str(name), why) for name, why in outcome.undone] == [("film", "no encoder")] and outcome.images == 7
    assert len(table(images)["images"]) == 7


def test_images_of_one_stem_have_a_picture_each(predictor, images):
    for number, name in enumerate(("a/x.png", "b/x.png", "b/x.jpg", "b/x.jpg.png")):
        write_image(images / name, 50 + number)
    predict(predictor, images)
    drawn = {file.relative_to(images.parent / "out").as_posix() for file in (images.parent / "out").rglob("*.png")}
    assert {"a/x.png", "b/x.png.png", "b/x.jpg.png", "b/x.jpg.png.png"} < drawn and len(drawn) == 9


def test_nothing_readable_is_an_error(predictor, images):
    for number in range(5):
        (images / f"sub/{number}.png").write_bytes(b"no image")
    with pytest.raises(OSError, match=r"^0\.png could not be read, nor could 4 more: .*0\.png cannot be decoded"):
        predict(predictor, images)
    assert not (images.parent / "out/predictions.json").exists()


def test_thresholds_by_class_and_overlap(predictor, images):
    thresholds = ScoreThresholds(0.5, {"dirt": 0.52})
    outcome = predict(predictor, images, replace(TABLES, thresholds=thresholds, overlap="highest"))
    assert outcome.instances == 5 + 3
    areas = [a["area"] for a in table(images)["annotations"] if a["image_id"] == 3]
    assert areas == [8 * 6, 8 * 4], "the more confident half keeps the two columns that both have"
    with pytest.raises(ValueError, match="the class 'dust', which the model does not know; its classes are cell, dirt"):
        predict(predictor, images, replace(TABLES, thresholds=ScoreThresholds(0.5, {"dust": 0.1})), output="other")


class ThreadShare(Shard):
    """As of processes, with a thread for each."""

    barrier = threading.Barrier(2)
    items: list = []

    def wait(self):
        self.barrier.wait(timeout=20)

    def gathered(self, items):
        self.items.extend(items)
        self.wait()
        return self.items if self.is_first else []


def predict_in_two(predictor, images, output="out"):
    ThreadShare.items.clear()
    with ThreadPoolExecutor(2) as pool:
        shares = [ThreadShare(rank, 2) for rank in range(2)]
        first, second = pool.map(lambda shard: predict(predictor, images, shard=shard, output=output), shares)
    assert second is None
    return first


def test_two_shares_make_one_whole(predictor, images):
    predict(predictor, images, output="alone")
    predictor.shown = []
    (images / "sub/7.png").write_bytes(b"no image")
    (images / "sub/8.png").write_bytes(b"no image")
    (images / "sub/9.mp4").write_bytes(b"no film")
    outcome = predict_in_two(predictor, images)
    assert (outcome.images, outcome.instances, outcome.earlier) == (5, 10, 0)
    assert sorted(str(name) for name, _ in outcome.failures) == ["7.png", "8.png", "9"]
    assert sorted(predictor.shown) == [50, 51, 52, 53, 54]
    assert tables(images) == tables(images, "alone")
    outcome = predict(predictor, images)  # another number of processes
    assert (outcome.images, outcome.earlier, len(predictor.shown)) == (5, 5, 5)


def test_frames_are_shared(predictor, images):
    write_film(images / "film.mp4", frames=5)
    predict(predictor, images, output="alone")
    predictor.shown = []
    assert predict_in_two(predictor, images).images == 10
    assert len(predictor.shown) == 10 and tables(images) == tables(images, "alone")


def test_a_video_is_found_frame_by_frame_and_drawn(predictor, images):
    write_film(images / "film.mp4", frames=5)
    options = replace(OPTIONS, write=("drawn", "labelme", "instances", "coco"))
    outcome = predict(predictor, images, options)
    assert (outcome.images, outcome.instances) == (10, 5 * 2 + 5 + 2), "frames of 0, 20, 40, 60, 80"
    out = images.parent / "out"
    content = json.loads((out / "predictions.json").read_text())
    names = [image["file_name"] for image in content["images"]]
    assert names == [*(f"film/00000{index}" for index in range(5)), *(f"sub/{number}.png" for number in range(5))]
    assert len(list((out / "instances/film").glob("*.png"))) == 5 and not (out / "film").exists()
    assert not (out / "labelme/film").exists(), "a frame has no image file that an annotation tool could open"
    assert frame_count(out / "film.mp4") == 5
    [*_, (_, last)] = read_frames(out / "film.mp4")
    assert last.shape == (48, 64, 3) and last.std() > 5


def test_a_video_that_browsers_may_not_play_is_said_once(predictor, images, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "av", None)
    for name in ("film", "other"):
        write_film(images / f"{name}.mp4", frames=2)
    predict(predictor, images)
    said = [line for line in caplog.messages if "Browsers may not play" in line]
    assert len(said) == 1 and "pip install av" in said[0]


def test_a_stopped_video_goes_on(predictor, images):
    write_film(images / "film.mp4", frames=5)
    predictor.dies_after = 8
    with pytest.raises(KeyboardInterrupt):
        predict(predictor, images)
    predictor.dies_after = None
    outcome = predict(predictor, images)
    assert (outcome.images, outcome.earlier, len(predictor.shown)) == (10, 8, 10)
    drawn = (images.parent / "out/film.mp4").stat().st_mtime_ns
    assert predict(predictor, images).earlier == 10
    assert (images.parent / "out/film.mp4").stat().st_mtime_ns == drawn


def test_ids_of_a_coco_file_are_kept(predictor, images):
    rows = [{"id": 40 + n, "file_name": f"{n}.png", "height": 8, "width": 10} for n in (2, 0)]
    listing = images.parent / "some.json"
    listing.write_text(json.dumps({"images": rows, "categories": [{"id": 3, "name": "cell"}]}))
    sources = find_sources([str(listing)], images / "sub", images.parent / "out")
    predict_files(predictor, sources, images.parent / "out", TABLES)
    content = table(images)
    assert [(i["id"], i["file_name"]) for i in content["images"]] == [(42, "2.png"), (40, "0.png")]
    assert [a["image_id"] for a in content["annotations"]] == [42, 42, 40, 40]


def test_a_model_without_masks_writes_what_needs_none(predictor, images):
    predictor.cfg.MODEL.MASK_ON = False
    with pytest.raises(ValueError, match=r"finds boxes only \(MODEL.MASK_ON False\), but measurements want masks"):
        predict(predictor, images)
    assert not (images.parent / "out").exists()
    assert predict(predictor, images, replace(OPTIONS, write=("drawn", "coco"))).images == 5


def test_folders_of_the_output_and_of_the_inputs_do_not_mix(predictor, images):
    write_image(images / "instances/0.png", 50)
    with pytest.raises(ValueError, match="--write instances makes the folder"):
        predict(predictor, images, replace(OPTIONS, write=("drawn", "instances")))
