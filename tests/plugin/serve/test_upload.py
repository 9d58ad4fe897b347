import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.exceptions import HTTPException  # noqa: E402

from maskrcnn_project.serve.upload import Limits, decode, picture, shown_step  # noqa: E402


def refusal(data, **limits):
    with pytest.raises(HTTPException) as caught:
        decode(data, Limits(**limits))
    return caught.value.status_code, caught.value.detail


def png_header(width, height):
    """A PNG that states a size and ends where the pixels should begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 99) + b"IDAT"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "WEBP", "JPEG"])
def test_every_kind_is_read_in_bgr(image_file, kind):
    image, remarks = decode(image_file(64, 32, kind, **({"lossless": True} if kind == "WEBP" else {})), Limits())
    assert image.shape == (32, 64, 3) and image.dtype == np.uint8 and not remarks
    assert image[16, 8].tolist() == pytest.approx([0, 0, 255], abs=3)
    assert image[16, 56].tolist() == pytest.approx([0, 0, 0], abs=3)


def test_a_photo_is_turned_upright(image_file):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: red on the left comes to the top
    image, _ = decode(image_file(64, 32, "JPEG", exif=exif), Limits())
    assert image.shape == (64, 32, 3)
    assert image[8, 16, 2] > 250 and image[56, 16, 2] < 5


def test_sixteen_bits_are_said_to_be_lost():
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(stream, "PNG")
    image, remarks = decode(stream.getvalue(), Limits())
    assert image.shape == (4, 4, 3)
    assert "more than 8 bits" in remarks[0]


def test_the_size_is_refused_before_decoding():
    # nothing could be decoded here: there are no pixels
    assert refusal(png_header(2000, 1001), megapixels=2) == (
        413,
        "The image has 2000 x 1001 pixels, but at most 2 megapixels are taken: make it smaller, cut it, or start the "
        "server with a larger --max-megapixels.",
    )
    assert refusal(png_header(2000, 1000), megapixels=2)[0] == 422


def test_a_decompression_bomb_is_refused():
    status, sentence = refusal(png_header(50_000, 50_000))
    assert status == 413 and "more than 178 megapixels" in sentence


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"no image", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415),  # Pillow would start a program
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", 415),
    ],
)
def test_other_kinds_are_refused(data, status):
    assert refusal(data)[0] == status


def test_half_a_file_is_refused(image_file):
    data = image_file(64, 64, "PNG")
    status, sentence = refusal(data[: len(data) // 2])
    assert status == 422 and sentence.startswith("The image is damaged")


@pytest.mark.parametrize(("key", "value"), [("megabytes", 0), ("megapixels", 0), ("megapixels", 179)])
def test_limits_that_cannot_be(key, value):
    with pytest.raises(ValueError, match="--max-mega|--max-mb"):
        Limits(**{key: value})


@pytest.mark.parametrize(
    ("size", "step", "shown"),
    [((4000, 4000), 1, None), ((4000, 4001), 2, None), ((3, 5), 1, (3, 5)), ((8, 12), 2, (4, 6)), ((9, 11), 2, (4, 5))],
)
def test_large_images_are_shown_reduced(size, step, shown):
    if shown is None:
        assert shown_step(size) == step
        return
    data, kind = picture(np.zeros((*size, 3), np.uint8), step)
    assert kind == "image/png"
    # of 11 columns and step 2, the columns 1, 3, 5, 7, 9 are shown: five
    assert Image.open(io.BytesIO(data)).size == (shown[1], shown[0])


def test_a_large_picture_is_sent_as_jpeg():
    assert picture(np.zeros((2001, 2000, 3), np.uint8), 1)[1] == "image/jpeg"
