import shutil
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pytest

from maskrcnn_project.evaluation.evaluation_result import evaluate
from maskrcnn_project.evaluation.report import gallery, report_tables
from maskrcnn_project.evaluation.report import report_page as report
from maskrcnn_project.evaluation.report.report_page import RunMetadata, report_page, write_report
from tests.plugin.evaluation.small_pairs import image, together
from tests.plugin.pages.test_html_page import structure

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
RUN = RunMetadata("demo", "model_final.pth", 0.25, "cpu")
CELL, DIRT = (0, 0, 0, 8, 8), (1, 10, 10, 18, 18)


def pairs():
    """
    One image is right; in one a cell is missed and dirt taken for a cell; in one two touching cells are one, and dirt
    is seen that is not there.
    """
    return together(
        image([CELL, DIRT], [(0, 0.9, *CELL[1:]), (1, 0.8, *DIRT[1:])], image_id=1),
        image([CELL, DIRT], [(0, 0.7, *DIRT[1:])], image_id=2),
        image([CELL, (0, 8, 0, 16, 8)], [(0, 0.95, 0, 0, 16, 8), (1, 0.6, 0, 12, 6, 18)], image_id=3),
    )


def with_images(pairs, folder):
    """Grey images of the names that the cases have."""
    for pair in pairs.pairs:
        cv2.imwrite(str(folder / pair.file_name), np.full((*pair.found.size, 3), 90, np.uint8))
    return replace(pairs, image_root=folder)


def page_of(pairs, score_threshold=0.5, run=RUN):
    return report_page(pairs, evaluate(pairs, score_threshold), run)


def test_the_page_holds_all_and_needs_nothing_else(tmp_path):
    html = page_of(with_images(pairs(), tmp_path))
    page = structure(html)
    assert "script" not in page.tags and "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")
    for title in ("Result", "Classes", "Score thresholds", "Errors", "Worst images", "Merged and split"):
        assert f"<h2>{title}</h2>" in html
    assert "Evaluation: demo" in page.text and "model_final.pth" in page.text and "250 ms" in page.text
    assert page.tags.count("img") == 4  # two images with something wrong, truth and prediction of each
    assert page.tags.count("polyline") == 4  # precision-recall and F1 of two classes
    assert "--score-threshold cell=0.90,dirt=0.80" in page.text


def test_the_totals_of_the_confusion_matrix_are_those_of_the_page():
    matrix = evaluate(pairs(), 0.5).confusion
    html = report_tables.confusion_table(matrix, ("cell", "dirt"))
    assert matrix.sum() == 7  # 6 objects, and a detection of nothing
    rows = [row.split("<td")[1:] for row in html.split("<tr>")[2:]]
    numbers = [["".join(filter(str.isdigit, cell.split(">", 1)[1].split("</td")[0])) for cell in row] for row in rows]
    whole = np.array([[int(cell or 0) for cell in row] for row in numbers])
    assert (whole[:-1, :-1].sum(axis=1) == whole[:-1, -1]).all()
    assert (whole[:-1, :-1].sum(axis=0) == whole[-1, :-1]).all()


def test_many_classes_get_a_list_of_confusions_in_place_of_a_matrix():
    names = [f"class {number}" for number in range(report_tables.MAX_IN_MATRIX + 1)]
    confusion = np.eye(len(names) + 1, dtype=np.int64)
    assert "None of the 31 classes was taken for another" in report_tables.confusion_table(confusion, names)
    confusion[3, 5] = 7
    html = report_tables.confusion_table(confusion, names)
    assert '<td>class 3</td><td>class 5</td><td class="number">7</td><td class="number">8</td>' in html


@pytest.mark.parametrize(
    "nothing",
    [
        together(),
        together(image()),
        together(image([CELL])),
        together(image([], [(0, 0.9, 1, 1, 5, 5)])),
        together(image([CELL], [(0, 0.9, *CELL[1:])], crowd=[0])),
        together(image([CELL], [(0, 0.9, *CELL[1:])], masks=False)),
        together(image(), names=()),
    ],
)
def test_nothing_gives_a_page_too(nothing):
    page = structure(page_of(nothing))
    assert "nan" not in page.text.lower().replace("finance", "")
    assert "Worst images" in page.text


def test_absent_and_broken_images_are_named_and_the_rest_is_shown(tmp_path):
    known = with_images(pairs(), tmp_path)
    (tmp_path / "2.png").unlink()
    html = page_of(known)
    assert "Not shown: 2.png: its image is not there." in html and structure(html).tags.count("img") == 2
    (tmp_path / "2.png").write_bytes(b"no image")
    assert "2.png: its image cannot be read" in page_of(known)
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((7, 5, 3), np.uint8))
    assert "2.png: its image has 7 x 5 pixels, but was evaluated with 20 x 20" in page_of(known)


def test_without_a_folder_the_page_says_so():
    assert "Pictures need the images: their folder was not given." in page_of(pairs())


def test_pictures_are_bounded_in_number_and_in_weight(tmp_path, monkeypatch):
    known = with_images(together(*(image([CELL], [], image_id=number) for number in range(1, 6))), tmp_path)
    monkeypatch.setattr(report, "MAX_WORST", 3)
    assert structure(page_of(known)).tags.count("img") == 6
    monkeypatch.setattr(gallery, "MAX_BYTES", 1)
    html = page_of(known)
    assert structure(html).tags.count("img") == 2 and "Further pictures are left out" in html


def test_images_with_more_objects_than_can_be_found_are_named():
    crowded = replace(pairs(), over_limit=[(2, 250)])
    html = page_of(crowded)
    assert "TEST.DETECTIONS_PER_IMAGE 250 lets them" in html and "<td>2.png</td>" in html


def test_names_of_strangers_stay_text():
    evil = "<script>alert(1)</script>"
    pair = replace(image([CELL], []), file_name=evil)
    html = page_of(together(pair, names=(evil, "x")), run=RunMetadata(evil, evil))
    assert "<script" not in html and "&lt;script&gt;" in html


def test_a_page_is_written_over_an_earlier_one(tmp_path):
    path = tmp_path / "report.html"
    for title in ("first", "second"):
        write_report(path, pairs(), evaluate(pairs(), 0.5), run=RunMetadata(title))
    assert "Evaluation: second" in path.read_text("utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_real_browser_opens_it_and_its_pictures(tmp_path):
    path = tmp_path / "report.html"
    known = with_images(together(image([CELL], [(0, 0.9, 100, 100, 120, 120)], size=(200, 200))), tmp_path)
    write_report(path, known, evaluate(known, 0.5), run=RUN)
    # the first picture is opened as a click would
    path.write_text(
        path.read_text("utf-8").replace('<details class="shot">', '<details class="shot" open>', 1), "utf-8"
    )
    shot = tmp_path / "shot.png"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=800,900",
        f"--user-data-dir={tmp_path}/chrome",
    ]
    dumped = subprocess.run(
        [CHROMIUM, *options, f"--screenshot={shot}", path.as_uri()], capture_output=True, timeout=120, check=False
    )
    assert dumped.returncode == 0, dumped.stderr[-500:]
    picture = cv2.imread(str(shot))
    assert picture.shape == (900, 800, 3)
    # the open pictures cover the page: two of the grey image side by side, nothing below them
    for x in (300, 500):
        assert np.abs(picture[300, x].astype(int) - 90).max() < 12
    assert (picture[700:] == picture[700, 400]).all()
