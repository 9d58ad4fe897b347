"""The page in a real browser: what a user does, and what is then to be seen."""

import csv
import re
import shutil

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

# Drops the file (name, bytes) in the middle of the page, as the browser does.
DROP = """([name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
# The colour [red, green, blue] shown at the middle of the image's pixel (x, y), of 12 x 8.
COLOUR = """([x, y]) => {
  const canvas = document.getElementById("canvas");
  const scale = Math.min(canvas.width / 12, canvas.height / 8);
  const left = (canvas.width - 12 * scale) / 2, top = (canvas.height - 8 * scale) / 2;
  const place = [left + (x + 0.5) * scale, top + (y + 0.5) * scale];
  return [...canvas.getContext("2d").getImageData(...place, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        # no sandbox: CI runs as root, where Chromium has none; it opens pages of this test only
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, serve, image_file, tmp_path):
    """The page, opened, with one example; it fails the test for anything that the browser complains of."""
    example = tmp_path / "example.png"
    example.write_bytes(image_file())
    served = serve(examples=[example])
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{served.port}/")
    sync_api.expect(page.locator("#model")).to_contain_text("finds cell, dirt")
    page.expected = ()
    yield page
    page.close()
    assert [text for text in complaints if not text.startswith(page.expected)] == []
    assert all(re.match(rf"(blob:)?http://127\.0\.0\.1:{served.port}/", url) for url in asked)


def chosen(page, image_file, name="photo.png"):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": image_file()})
    sync_api.expect(page.locator("#status")).to_contain_text(f"{name}: 12 × 8 pixels")


def until(page, script, wanted, argument=None):
    """Waits until ``script`` gives ``wanted``. (The page forbids what Playwright's own waiting does: eval.)"""
    for _ in range(50):
        if page.evaluate(script, argument) == wanted:
            return
        page.wait_for_timeout(100)
    assert page.evaluate(script, argument) == wanted


def shows(page, count, rows):
    """Waits until the picture shows ``count`` of three instances, and the table ``rows`` rows."""
    sync_api.expect(page.locator("#count")).to_have_text(f"{count} of 3 instances")
    sync_api.expect(page.locator("#rows tr")).to_have_count(rows)


def test_threshold_and_overlap_change_what_is_shown(page, image_file):
    chosen(page, image_file)
    shows(page, 2, 2)
    bare = page.evaluate(COLOUR, [10, 6])
    assert bare == [0, 0, 0] and page.evaluate(COLOUR, [6, 3]) != bare  # the second cell's own part
    page.fill("#threshold", "0.2")
    shows(page, 3, 3)
    page.check("input[value=highest]")
    shows(page, 2, 2)  # the dirt lies in the most confident cell
    assert page.locator("#rows tr").nth(1).locator("td").nth(3).inner_text() == "8"
    page.fill("#threshold", "0.95")
    shows(page, 0, 0)
    assert page.evaluate(COLOUR, [6, 3]) == bare
    assert page.locator("#nothing").is_visible()


def test_the_slider_acts_without_the_server(page, image_file):
    chosen(page, image_file)
    shows(page, 2, 2)
    page.route("**/api/**", lambda route: None)  # no answer ever comes
    page.fill("#threshold", "0.7")
    sync_api.expect(page.locator("#count")).to_have_text("1 of 3 instances")
    page.check("input[value=highest]")
    page.fill("#threshold", "0.05")
    sync_api.expect(page.locator("#count")).to_have_text("2 of 3 instances")


def test_a_slow_answer_to_an_earlier_choice_is_dropped(page, image_file):
    chosen(page, image_file)
    shows(page, 2, 2)
    held = []
    page.route("**/measurements?*", lambda route: held.append(route))
    page.fill("#threshold", "0.7")
    until(page, "() => document.getElementById('measurements').className", "busy")
    page.fill("#threshold", "0.1")
    page.wait_for_timeout(300)
    assert len(held) == 1  # one request at a time
    held[0].continue_()  # of one instance, while three are wanted
    while len(held) < 2:
        page.wait_for_timeout(50)
    assert page.locator("#rows tr").count() == 2  # as it was
    held[1].continue_()
    shows(page, 3, 3)


def test_each_class_has_a_threshold(page, image_file):
    chosen(page, image_file)
    page.click("#per-class summary")
    page.get_by_label("dirt").fill("0.1")
    shows(page, 3, 3)
    page.get_by_label("cell").fill("0.8")
    shows(page, 2, 2)
    assert page.locator("#threshold-value").inner_text() == "0.10 to 0.80"


def test_masks_boxes_and_labels_are_switched(page, image_file):
    chosen(page, image_file)
    page.uncheck("#show-labels")
    with_mask = page.evaluate(COLOUR, [6, 3])
    page.uncheck("#show-masks")
    until(page, COLOUR, [0, 0, 0], [6, 3])
    assert with_mask != [0, 0, 0]
    page.check("#show-boxes")
    until(page, f"place => ({COLOUR})(place).some((value) => value > 30)", True, [6.5, 3])  # on its right edge


def test_dropped_and_example_images_are_taken(page, image_file):
    page.evaluate(DROP, ["dropped.png", list(image_file())])
    sync_api.expect(page.locator("#status")).to_contain_text("dropped.png: 12 × 8 pixels")
    page.click("#example")
    sync_api.expect(page.locator("#status")).to_contain_text("example.png: 12 × 8 pixels")
    shows(page, 2, 2)


def test_picture_and_table_point_at_each_other(page, image_file):
    chosen(page, image_file)
    shows(page, 2, 2)
    place = page.locator("#canvas").bounding_box()
    scale = min(place["width"] / 12, place["height"] / 8)
    left = place["x"] + (place["width"] - 12 * scale) / 2
    page.mouse.move(left + 6.5 * scale, place["y"] + 3.5 * scale)  # in the second cell
    sync_api.expect(page.locator("#rows tr").nth(1)).to_have_class("lit")
    page.mouse.move(left + 10.5 * scale, place["y"] + 6.5 * scale)
    sync_api.expect(page.locator("tr.lit")).to_have_count(0)
    page.mouse.move(0, 0)
    page.locator("#rows tr").first.focus()
    sync_api.expect(page.locator("#rows tr").first).to_have_class("lit")
    page.keyboard.press("ArrowDown")
    sync_api.expect(page.locator("#rows tr").nth(1)).to_have_class("lit")


def test_the_table_is_sorted(page, image_file):
    chosen(page, image_file)
    page.fill("#threshold", "0.1")
    shows(page, 3, 3)
    page.get_by_role("button", name="Area (px²)").click()
    page.get_by_role("button", name="Area (px²)").click()
    assert page.locator("#rows tr").first.locator("td").nth(3).inner_text() == "4"
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Area")


def test_csv_and_picture_are_saved(page, image_file, tmp_path):
    chosen(page, image_file)
    page.fill("#pixel-size", "0.5")
    page.fill("#unit", "um")
    page.check("input[value=highest]")
    sync_api.expect(page.get_by_role("button", name="Area (um²)")).to_be_visible()
    with page.expect_download() as saving:
        page.click("#csv")
    assert saving.value.suggested_filename == "photo.measurements.csv"
    saving.value.save_as(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        assert [float(row["area_um2"]) for row in csv.DictReader(file)] == [4, 2]
    with page.expect_download() as saving:
        page.click("#save-picture")
    assert saving.value.suggested_filename == "photo.found.png"
    saving.value.save_as(tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").size == (48, 32)  # four times as large


def test_a_bad_file_is_refused_in_a_sentence_and_the_page_goes_on(page, image_file):
    page.expected = ("Failed to load resource: the server responded with a status of 4",)  # which the browser notes
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no image"})
    sync_api.expect(page.get_by_role("alert")).to_contain_text("This is no image that can be read here")
    chosen(page, image_file)
    sync_api.expect(page.locator("#error")).to_be_empty()
    page.fill("#pixel-size", "0")
    sync_api.expect(page.get_by_role("alert")).to_contain_text("pixel size")


def test_it_fits_a_narrow_screen(page, image_file):
    page.set_viewport_size({"width": 360, "height": 740})
    chosen(page, image_file)
    shows(page, 2, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_zooms_and_moves(page, image_file):
    chosen(page, image_file)
    page.fill("#threshold", "1")
    shows(page, 0, 0)
    left_edge = """() => {
      const canvas = document.getElementById("canvas");
      return canvas.getContext("2d").getImageData(4, canvas.height / 2, 1, 1).data[0];
    }"""
    assert page.evaluate(left_edge) == 255  # the red half
    page.focus("#canvas")
    for _ in range(6):
        page.keyboard.press("+")
    place = page.locator("#canvas").bounding_box()
    y = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] - 10, y)
    page.mouse.down()
    page.mouse.move(place["x"] + 10, y)  # the black half comes to the left edge
    page.mouse.up()
    until(page, left_edge, 0)
    page.keyboard.press("0")
    until(page, left_edge, 255)
