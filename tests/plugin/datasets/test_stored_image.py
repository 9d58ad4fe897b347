"""Files that Pillow cuts to 8 bits or does not know are read whole; what their heads say is not believed blindly."""

import contextlib
import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from maskrcnn_project.datasets.checking.image_reading import read_picture
from maskrcnn_project.datasets.editing.tile_pictures import TileWriter
from maskrcnn_project.datasets.image_file import ValueRange, is_deep, read_bytes, read_image, read_values
from maskrcnn_project.datasets.stored_image import NoSuchPageError, open_stored
from maskrcnn_project.inference.predictor import bgr_pixels
from maskrcnn_project.masks.window import Window

SHORT, LONG = 3, 4  # TIFF 6.0: types of an entry's values
SIZES = {SHORT: 2, LONG: 4}
RANDOM = np.random.default_rng(0)


def tiff(values, orientation=1, stated=None):
    """
    The bytes of a TIFF of one strip (TIFF 6.0, section 2).

    Args:
        values: (H, W) or (H, W, C) of any number type.
        stated: (height, width) in its head, if not those of ``values``.
    """
    pixels = values if values.ndim == 3 else values[:, :, None]
    (height, width), channels = stated or pixels.shape[:2], pixels.shape[2]
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    data = pixels.astype(values.dtype.newbyteorder("<")).tobytes()
    entries = [
        (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [8 * values.dtype.itemsize] * channels),
        (259, SHORT, [1]), (262, SHORT, [2 if channels > 1 else 1]), (273, LONG, [8]), (274, SHORT, [orientation]),
        (277, SHORT, [channels]), (278, LONG, [height]), (279, LONG, [len(data)]), (339, SHORT, [kind] * channels),
    ]  # fmt: skip
    place = 8 + len(data)
    behind, table, more = place + 2 + 12 * len(entries) + 4, b"", b""
    for tag, form, numbers in entries:
        packed = struct.pack("<" + {SHORT: "H", LONG: "I"}[form] * len(numbers), *numbers)
        at = packed.ljust(4, b"\0")
        if len(packed) > 4:
            at, more = struct.pack("<I", behind + len(more)), more + packed
        table += struct.pack("<HHI", tag, form, len(numbers)) + at
    return b"II*\0" + struct.pack("<I", place) + data + struct.pack("<H", len(entries)) + table + bytes(4) + more


def png(values):
    """The bytes of a PNG of (H, W, C) in RGB order."""
    done, data = cv2.imencode(".png", values[:, :, [2, 1, 0, *range(3, values.shape[2])]])
    assert done
    return data.tobytes()


WHOLE = {
    "PNG of 16-bit colours": (png, RANDOM.integers(0, 4000, (5, 7, 3)).astype(np.uint16)),
    "PNG of 16-bit colours with alpha": (png, RANDOM.integers(0, 4000, (5, 7, 4)).astype(np.uint16)),
    "TIFF of 16-bit colours": (tiff, RANDOM.integers(0, 4000, (5, 7, 3)).astype(np.uint16)),
    "TIFF of 64-bit floats": (tiff, RANDOM.random((5, 7)) * 4000),
    "TIFF of floats in colour": (tiff, (RANDOM.random((5, 7, 3)) * 4000).astype(np.float32)),
    "TIFF of 16 bits": (tiff, RANDOM.integers(0, 4000, (5, 7)).astype(np.uint16)),
    "TIFF of floats": (tiff, (RANDOM.random((5, 7)) * 4000).astype(np.float32)),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_the_values_are_those_that_were_written(kind, tmp_path):
    write, values = WHOLE[kind]
    path = tmp_path / "a.img"
    path.write_bytes(write(values))
    assert is_deep(path) and np.array_equal(read_values(path), values)
    limits = ValueRange(0, 4000)
    wanted = limits.to_8_bits(values if values.ndim == 2 else values[:, :, :3])
    wanted = np.repeat(wanted[:, :, None], 3, axis=2) if wanted.ndim == 2 else wanted
    assert np.array_equal(read_image(path, "RGB", limits), wanted)
    assert np.array_equal(read_bytes(path.read_bytes(), "RGB", limits), wanted)
    assert np.array_equal(bgr_pixels(path, limits)[:, :, ::-1], wanted)
    picture = read_picture(str(path))
    assert not picture.rule and picture.upright == (5, 7) and picture.is_deep
    assert picture.pixel_digest != read_picture(str(_other(tmp_path, write, values))).pixel_digest


def _other(folder, write, values):
    other = values.copy()
    other[2, 3] = 1
    path = folder / "b.img"
    path.write_bytes(write(other))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("type_", [np.uint16, np.float64])
def test_they_stand_upright_as_pillow_would_turn_them(orientation, type_):
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(tiff(grey, orientation)))))
    colours = np.repeat(grey[:, :, None], 3, axis=2).astype(type_)
    with open_stored(io.BytesIO(tiff(colours, orientation))) as stored:
        assert stored.size == turned.shape and np.array_equal(stored.values(), np.repeat(turned[:, :, None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_so_does_a_png_with_exif(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3)).save(buffer, "PNG", exif=exif)
    turned = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    deep = png(np.arange(18, dtype=np.uint16).reshape(2, 3, 3))
    start = buffer.getvalue().index(b"eXIf") - 4
    chunk = buffer.getvalue()[start : start + 12 + struct.unpack(">I", buffer.getvalue()[start : start + 4])[0]]
    place = deep.index(b"IDAT") - 4
    with open_stored(io.BytesIO(deep[:place] + chunk + deep[place:])) as stored:
        assert np.array_equal(stored.values(), turned)


@pytest.mark.filterwarnings("ignore:::PIL.TiffImagePlugin")
def test_a_size_in_a_head_is_not_believed():
    for stated in ((60_000, 60_000), (2**31, 2**31)):
        with (
            pytest.raises((Image.DecompressionBombError, OSError)),
            open_stored(io.BytesIO(tiff(np.zeros((2, 2)), stated=stated))) as stored,
        ):
            stored.values()
    for data in (b"II*\0", b"II*\0" + bytes(20), tiff(np.zeros((2, 2)))[:60], b"", b"none"):
        with (
            pytest.raises((UnidentifiedImageError, OSError, SyntaxError, ValueError)),
            open_stored(io.BytesIO(data)) as stored,
        ):
            stored.values()


@pytest.mark.filterwarnings("ignore:::PIL.TiffImagePlugin")
def test_damaged_files_never_raise_anything_else():
    """Bytes turned round at random: read, or refused as what cannot be read."""
    rng = np.random.default_rng(1)
    for values in (np.arange(60.0).reshape(6, 10), np.arange(180, dtype=np.uint16).reshape(6, 10, 3)):
        sound = tiff(values)
        for _ in range(200):
            data = bytearray(sound)
            for place in rng.integers(0, len(data), 4):
                data[place] = rng.integers(256)
            with contextlib.suppress(OSError):
                assert read_bytes(bytes(data), "BGR", ValueRange(0, 100)).dtype == np.uint8


def test_pages_of_what_pillow_does_not_know(tmp_path):
    pages = [np.full((4, 6), value, np.float64) for value in (1, 2, 3)]
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    with open_stored(tmp_path / "a.tif") as stored:
        assert stored.pages == 3 and stored.is_stack
        stored.turn_to(2)
        assert (stored.values() == 3).all()
        with pytest.raises(NoSuchPageError, match="it has 3 pages, and INPUT.PAGE is 3"):
            stored.turn_to(3)


@pytest.mark.parametrize("kind", WHOLE)
def test_tiles_keep_the_values(kind, tmp_path):
    write, values = WHOLE[kind]
    (tmp_path / "a.img").write_bytes(write(values))
    writer = TileWriter(tmp_path / "tiles", "png", 95)
    (tmp_path / "tiles").mkdir()
    record = {"id": 1, "file_name": "a.img", "height": 5, "width": 7}
    names = writer.write(tmp_path / "a.img", record, [Window(0, 0, 4, 5), Window(3, 1, 4, 4)])
    assert np.array_equal(read_values(tmp_path / "tiles" / names[0]), values[:, :4])
    assert np.array_equal(read_values(tmp_path / "tiles" / names[1]), values[1:, 3:])
