"""Whole pages, from files in every state to what a browser would show."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from maskrcnn_project.analysis.analyze import analyze_dataset
from maskrcnn_project.analysis.page import MAX_BARS, analysis_page
from maskrcnn_project.errors import DatasetError
from tests.places import ROOT

SMALL_MODEL = """
MODEL: {RESNETS: {DEPTH: 18, RES2_OUT_CHANNELS: 64}, FPN: {OUT_CHANNELS: 8},
  ANCHOR_GENERATOR: {SIZES: [[8], [16], [32], [64], [128]]}}
INPUT: {MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 128}
"""
BASE = f'_BASE_: "{ROOT / "configs/Base-RCNN-FPN.yaml"}"\n'


class Text(HTMLParser):
    """Checks that tags close in order; gathers the text and the sources of pictures."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.sources = [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "iframe", "object")
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(html):
    """The text of a page that is well formed and self-contained, and the pictures in it."""
    parser = Text()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert all(source.startswith(("data:image/", "#")) for source in parser.sources)
    return re.sub(r"\s+", " ", " ".join(parser.text)), [s for s in parser.sources if s.startswith("data:")]


def square(number, image_id, x=10, y=10, tables=16, **more):
    polygon = [x, y, x + tables, y, x + tables, y + tables, x, y + tables]
    box = {"bbox": [x, y, tables, tables], "area": tables * tables, "segmentation": [polygon]}
    return {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, **box, **more}


@pytest.fixture
def page_of(tmp_path):
    """Writes a dataset of grey images of 64 x 64 pixels and returns text and pictures of its page."""
    config = tmp_path / "config.yaml"
    config.write_text(BASE + SMALL_MODEL)
    (tmp_path / "images").mkdir()

    def make(images, annotations, categories=("thing",), files=None, quick=True):
        names = [f"{number}.png" for number in range(1, images + 1)]
        for name in names if files is None else files:
            grey = np.random.default_rng(sum(name.encode())).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "images" / name), grey)
        rows = [{"id": i, "file_name": name, "height": 64, "width": 64} for i, name in enumerate(names, 1)]
        classes = [{"id": i, "name": name} for i, name in enumerate(categories, 1)]
        path = tmp_path / "set.json"
        path.write_text(json.dumps({"images": rows, "annotations": annotations, "categories": classes}))
        analysis = analyze_dataset(path, tmp_path / "images", config, quick=quick, progress=False)
        return read(analysis_page(analysis))

    return make


def test_a_sound_set(page_of):
    # at MIN_SIZE_TEST 64 the images keep their size; the centre of the square (18, 18) is 2 pixels off that of an
    # anchor of size 16 on stride 8: 14 * 14 in common of 2 * 256 - 196, which is 0.62
    text, pictures = page_of(2, [square(1, 1), square(2, 2)], quick=False)
    assert "2 images 2 objects 1 classes" in text
    assert "all objects 2 100.0% 0.0% 100.0% 0.0%" in text
    assert "ANCHOR_GENERATOR: SIZES: [[16]," in text
    assert pictures == [] and "error:" not in text


def test_a_broken_annotation_is_drawn_with_its_ids_and_the_advice(page_of):
    text, pictures = page_of(1, [square(1, 1), square(17, 1, x=60)])
    assert "boxes that reach beyond their image (1)" in text and "Rule box-outside. Advice: clip them." in text
    assert "image 1 (1.png), annotation 17: bbox [60, 10, 16, 16]" in text
    assert pictures and all(source.startswith("data:image/jpeg;base64,") for source in pictures)


def test_a_rule_has_few_pictures_however_often_it_is_broken(page_of):
    text, pictures = page_of(1, [square(i, 1, x=60, segmentation=[]) for i in range(1, 41)])
    assert "boxes that reach beyond their image (40)" in text
    assert text.count("bbox [60, 10, 16, 16]") <= 2 * 5  # beside the picture too
    assert len(pictures) <= 3 * 5


def test_missing_and_unreadable_images(page_of, tmp_path):
    (tmp_path / "images" / "2.png").write_bytes(b"no image")
    text, pictures = page_of(2, [square(1, 1, x=60), square(2, 2, x=60)], files=(), quick=False)
    assert "1 of 2 image files are not in the folder." in text
    assert "its image is not there" in text and "its image cannot be read" in text
    assert pictures == []


def test_names_from_the_file_stay_text(page_of):
    text, _ = page_of(1, [square(1, 1)], categories=["<script>alert(1)</script>", "\ud800<b>"])
    assert "<script>alert(1)</script>" in text and "\ufffd<b>" in text


def test_rows_too_broken_to_measure_are_counted(page_of):
    text, _ = page_of(1, [square(1, 1), {"id": "x"}, square(3, 1, bbox=[1, 2, 3])])
    assert "2 annotations are too broken to be measured" in text and "row-malformed" in text


@pytest.mark.parametrize(("images", "said"), [(0, "lists no images"), (1, "There is no object")])
def test_nothing_gives_a_page_too(page_of, images, said):
    text, _ = page_of(images, [], quick=False)
    assert said in text and "Suggested settings" in text


def test_no_classes(page_of):
    assert "The file lists no classes." in page_of(1, [], categories=())[0]


def test_classes_by_the_hundred(page_of):
    names = [f"class {number}" for number in range(300)]
    annotations = [square(i, 1, category_id=i) for i in range(1, 301)]
    text, _ = page_of(1, annotations, categories=names)
    assert f"The {MAX_BARS} most frequent of 300 classes" in text
    assert all(f"{name} 1 0.3% 1" in text for name in names)


def test_without_a_config_the_settings_of_the_training_from_coco_weights_are_taken(tmp_path):
    path = tmp_path / "set.json"
    rows = [{"id": 1, "file_name": "1.png", "height": 600, "width": 600}]
    categories = [{"id": 1, "name": "thing"}]
    path.write_text(json.dumps({"images": rows, "annotations": [square(1, 1)], "categories": categories}))
    settings = {s.key: s for s in analyze_dataset(path, tmp_path, quick=True, progress=False).settings}
    assert settings["INPUT.MIN_SIZE_TEST"].present == 800
    assert settings["INPUT.MIN_SIZE_TRAIN"].reason == "0.6 to 1 times that"  # as from weights, not from nothing


def test_a_missing_folder_is_an_error(tmp_path):
    (tmp_path / "set.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(DatasetError, match="image folder .* does not exist"):
        analyze_dataset(tmp_path / "set.json", tmp_path / "none", quick=True, progress=False)


def test_the_tool_writes_the_page_and_leaves_other_files_alone(tmp_path):
    data = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "set.json").write_text(json.dumps(data))
    command = [sys.executable, str(ROOT / "tools/analyze_dataset.py"), "--images", str(tmp_path)]
    command += ["--annotations", str(tmp_path / "set.json"), "--quick", "--output"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def run(output):
        done = subprocess.run([*command, str(output)], env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, (done.stdout + done.stderr).strip()

    code, said = run(tmp_path / "page.html")
    assert code == 0 and said.splitlines()[-1].startswith(f"{tmp_path / 'page.html'}: 0 images, 0 objects")
    assert "Summary" in read((tmp_path / "page.html").read_text("utf-8"))[0]
    code, said = run(tmp_path / "set.json")
    assert code == 1 and "no page of this tool" in said.splitlines()[-1]
    assert json.loads((tmp_path / "set.json").read_text()) == data


def test_real_nuclei():
    data = next(
        (parent / "shared/data/nuclei" for parent in ROOT.parents if (parent / "shared/data/nuclei").is_dir()), None
    )
    if data is None:
        pytest.skip("the nuclei set is not on this machine")
    analysis = analyze_dataset(data / "train.json", data / "train", quick=True, progress=False)
    assert len(analysis.objects.boxes) == analysis.statistics.num_instances
    assert (analysis.suggested_fit >= 0.5).mean() > 0.9
    text, _ = read(analysis_page(analysis))
    assert "nucleus" in text and "DETECTIONS_PER_IMAGE: 200" in text
