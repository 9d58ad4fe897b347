"""Image files read once each: their size, whether they are whole, and digests that are equal for equal pictures."""

import io
import os
import sys
import threading
import warnings

import numpy as np
import pytest
from detectron2.data.detection_utils import read_image
from PIL import Image

from maskrcnn_project.datasets.checking import image_reading
from maskrcnn_project.datasets.checking.image_reading import ends_early, read_picture, read_pictures


def noise(height=48, width=64, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def turned(image, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif, **options)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as if they were a file."""

    def read(data, **options):
        (tmp_path / "image").write_bytes(data)
        return read_picture(str(tmp_path / "image"), **options)

    return read


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_sound_files(read, form):
    picture = read(encoded(noise(), form))
    assert (picture.rule, picture.stored, picture.upright) == ("", (48, 64), (48, 64))


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize(("form", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_jpeg_and_png(read, form, options, share, hashed):
    data = encoded(noise(), form, **options)
    picture = read(data[: round(share * len(data))], hashed=hashed)
    assert picture.rule == "image-truncated"
    assert f"stops after {round(share * len(data)):,} bytes" in picture.detail


def test_an_end_of_zeros_is_truncated_too(read):
    """So interrupted downloads look where the space was reserved at the start."""
    for form in ("JPEG", "PNG"):
        data = encoded(noise(), form)
        assert read(data[: len(data) // 2] + bytes(len(data) // 2 + 2000)).rule == "image-truncated"


def test_truncated_files_of_other_formats(read):
    for form in ("BMP", "TIFF", "WEBP", "PPM"):
        data = encoded(noise(), form)
        assert read(data[: len(data) // 2]).rule == "image-truncated", form


def test_bytes_behind_the_end_do_no_harm(read):
    for form in ("JPEG", "PNG"):
        assert read(encoded(noise(), form) + b"made by a camera" * 100).rule == ""


def test_a_png_with_wrong_bytes_inside_is_unreadable_and_not_truncated(read):
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    picture = read(bytes(data))
    assert picture.rule == "image-unreadable" and "cannot be decoded" in picture.detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"only text", "no image format is known that begins with b'only tex'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b'{"images": []}', "JSON"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"PK\x03\x04 and so on", "ZIP"),
    ],
)
def test_files_that_are_no_pictures(read, data, words):
    picture = read(data)
    assert picture.rule == "image-unreadable" and words in picture.detail
    assert "0x" not in picture.detail  # no address of a Python object


def test_a_picture_of_too_many_pixels_is_a_sentence(read, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    picture = read(encoded(noise(), "PNG"))
    assert picture.rule == "image-unreadable" and "more than the 2,000 pixels" in picture.detail


def test_what_is_no_file(tmp_path):
    assert read_picture(str(tmp_path / "none.png")).rule == "image-missing"
    folder = read_picture(str(tmp_path))
    assert folder.rule == "image-unreadable" and "cannot be opened" in folder.detail
    assert read_picture("zero\0byte.png").rule == "image-unreadable"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_upright_size(read, orientation):
    picture = read(turned(noise(48, 64), orientation))
    assert picture.orientation == orientation
    assert picture.stored == (48, 64)
    assert picture.upright == ((64, 48) if orientation >= 5 else (48, 64))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_none(read, orientation):
    picture = read(turned(noise(), orientation))
    assert (picture.orientation, picture.upright) == (1, (48, 64))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_data_are_passed_over(read):
    data = encoded(noise(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01\x12")
    assert (read(data).rule, read(data).orientation) == ("", 1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (encoded(noise(), "BMP"), True),  # other format
        (encoded(noise(), "PNG", compress_level=1), True),  # same format, other bytes
        (encoded(noise().convert("RGBA"), "PNG"), True),  # opaque
        (encoded(noise(seed=1), "PNG"), False),
        (encoded(Image.fromarray(np.asarray(noise()).reshape(64, 48, 3)), "PNG"), False),  # same bytes, other size
    ],
)
def test_digests_are_equal_for_equal_pixels(read, other, same):
    first, second = read(encoded(noise(), "PNG")), read(other)
    assert (first.pixel_digest == second.pixel_digest) == same
    assert first.file_digest != second.file_digest


def test_a_grey_picture_equals_its_rgb_form(read):
    grey = noise().convert("L")
    assert read(encoded(grey, "PNG")).pixel_digest == read(encoded(grey.convert("RGB"), "PNG")).pixel_digest


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_detectron2_turns_them(read, tmp_path, orientation):
    jpeg = turned(noise(48, 64), orientation)
    picture = read(jpeg)
    trained_on = read_image(str(tmp_path / "image"), "RGB")
    assert trained_on.shape[:2] == picture.upright
    assert read(encoded(Image.fromarray(trained_on), "PNG")).pixel_digest == picture.pixel_digest
    stored = encoded(Image.open(io.BytesIO(jpeg)), "PNG", exif=b"")
    assert (read(stored).pixel_digest == picture.pixel_digest) == (orientation == 1)


def test_deep_pictures_are_not_cut_to_8_bits(read):
    bright = [np.full((8, 8), value, np.uint16) for value in (1000, 2000)]
    digests = {read(encoded(Image.fromarray(pixels), "PNG")).pixel_digest for pixels in bright}
    assert len(digests) == 2


def test_the_digest_does_not_depend_on_how_many_rows_are_taken_at_once(read, monkeypatch):
    data = encoded(noise(), "PNG")
    whole = read(data).pixel_digest
    monkeypatch.setattr(image_reading, "BAND", 64 * 7)
    assert read(data).pixel_digest == whole


def test_every_file_is_read_once_and_the_order_is_kept(tmp_path, monkeypatch):
    paths = []
    for i in range(100):
        noise(4, 4 + i).save(tmp_path / f"{i}.png")
        paths.append(str(tmp_path / f"{i}.png"))
    calls = []
    read = image_reading.read_picture
    monkeypatch.setattr(image_reading, "read_picture", lambda path, **more: calls.append(path) or read(path, **more))
    known = read_pictures(paths[:50] + paths[:10], progress=False)
    assert read_pictures(paths, known, progress=False) is known
    assert [known[path].stored[1] for path in paths] == [4 + i for i in range(100)]
    assert sorted(calls) == sorted(paths)
    assert read_pictures([], progress=False) == {}


def test_large_pictures_are_read_by_one_thread(tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{i}.png") for i in range(9)]
    for i, path in enumerate(paths):
        noise(seed=i, width=100 if i % 2 else 10).save(path)
    threads, fingerprints = {}, image_reading._fingerprints

    def noted(image, orientation):
        threads.setdefault(image.width, set()).add(threading.get_ident())
        return fingerprints(image, orientation)

    monkeypatch.setattr(image_reading, "LARGE", 48 * 50)
    monkeypatch.setattr(image_reading, "_fingerprints", noted)
    pictures = read_pictures(paths, progress=False)
    assert [pictures[path].stored for path in paths] == [(48, 100 if i % 2 else 10) for i in range(9)]
    assert len({picture.pixel_digest for picture in pictures.values()}) == 9
    assert threads[100] == {threading.get_ident()} and threading.get_ident() not in threads[10]


def test_nothing_is_printed_on_damaged_files(tmp_path, capfd):
    """libtiff prints to the process's standard error, past Python's; Pillow warns of EXIF data and large pictures."""
    rng = np.random.default_rng(0)
    paths = []
    for form, options in (("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {}), ("JPEG", {}), ("PNG", {}), ("WEBP", {})):
        data = encoded(noise(), form, **options)
        for i in range(40):
            damaged = bytearray(data[: rng.integers(1, len(data) + 1)])
            for place in rng.integers(0, len(damaged), 5):
                damaged[place] = rng.integers(256)
            paths.append(str(tmp_path / f"{form}{len(options)}{i}"))
            (tmp_path / paths[-1]).write_bytes(damaged)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pictures = read_pictures(paths, progress=False)
    assert {picture.rule for picture in pictures.values()} == {"", "image-unreadable", "image-truncated"}
    assert capfd.readouterr() == ("", "") and not caught
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_the_progress_bar_shows_although_libraries_are_silenced(tmp_path):
    """In a process of its own, where standard error is a terminal."""
    pty = pytest.importorskip("pty")
    noise().save(tmp_path / "a.png")
    program = (
        "from maskrcnn_project.datasets.checking.image_reading import read_pictures; "
        f"read_pictures([{str(tmp_path / 'a.png')!r}], label='Reading a')"
    )
    shown = b""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", program])
    while True:
        try:
            chunk = os.read(terminal, 1024)
        except OSError:  # so Linux says that the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.waitpid(pid, 0)
    assert b"Reading a" in shown and b"image/s" in shown


@pytest.mark.parametrize(
    ("data", "early"),
    [
        (b"", False),
        (b"\x89P", True),
        (b"\x89PNG\r\n\x1a\n....", True),
        (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82", False),
        (b"\xff\xd8\xff\xe0\x00\x04..\xff\xda pixels", True),
        (b"\xff\xd8\xff\xe0\x00\x04..\xff\xda pixels \xff\xd9 more", False),
        (b"\xff\xd8\xff\xff\xe0\x00\x04..\xff\xda pixels \xff\xd9", False),  # a byte that fills up
        (b"\xff\xd8\xff\xe1\x00\x05.\xff\xd9\xff\xda pixels", True),  # only the preview ends
        (b"\xff\xd8\xff\xe1\x00\xff..\xff\xd9", True),  # within the segments
        (b"\xff\xd8\xff\xe1\x00\x04..? \xff\xd9", False),  # what it is cannot be told
        (b"RIFF\x10\x00\x00\x00WEBP", True),
        (b"RIFF\x04\x00\x00\x00WEBP", False),
        (b"GIF89a", False),
    ],
)
def test_ends_early(data, early):
    assert ends_early(data) == early
