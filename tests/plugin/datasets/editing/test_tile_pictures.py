"""The pictures of tiles: what Detectron2 reads of them is what it reads of the whole, cut; names lead nowhere else."""

import numpy as np
import pytest
from detectron2.data.detection_utils import read_image
from PIL import Image

from maskrcnn_project.datasets.editing.tile_pictures import TileWriter, open_upright
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.tile_grid import Grid

HEIGHT, WIDTH = 30, 46


def pixels(*shape, high=256, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def record_of(name, height=HEIGHT, width=WIDTH, image_id=1):
    return {"id": image_id, "file_name": name, "height": height, "width": width}


def cut(tmp_path, name, image_id=1, size=(HEIGHT, WIDTH), format="png"):
    """Tiles of 20 pixels that overlap by 4: their windows and file names."""
    grid = Grid(*size, 20, 4)
    writer = TileWriter(tmp_path / "tiles", format, 95)
    return grid.tiles, writer.write(tmp_path / name, record_of(name, *size, image_id), grid.tiles)


def assert_tiles_are_cut_from(tmp_path, name, tiles, names, format="BGR"):
    whole = read_image(str(tmp_path / name), format)
    for tile, tile_name in zip(tiles, names, strict=True):
        part = whole[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        assert np.array_equal(read_image(str(tmp_path / "tiles" / tile_name), format), part)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("L", "png"), ("RGBA", "png"), ("P", "png"), ("1", "png"), ("CMYK", "tif"), ("RGB", "jpg")],
)
def test_tiles_hold_what_detectron2_reads(tmp_path, mode, suffix):
    Image.fromarray(pixels(HEIGHT, WIDTH, 3)).convert(mode).save(tmp_path / f"a.{suffix}")
    tiles, names = cut(tmp_path, f"a.{suffix}")
    assert {name.rpartition(".")[2] for name in names} == {"png"}
    assert_tiles_are_cut_from(tmp_path, f"a.{suffix}", tiles, names)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiles_of_a_turned_photograph_stand_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = (HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT)
    Image.fromarray(pixels(*stored, 3)).save(tmp_path / "a.jpg", exif=exif)
    for format in ("png", "jpg"):
        writer = TileWriter(tmp_path / format, format, 100)
        grid = Grid(HEIGHT, WIDTH, 20, 4)
        names = writer.write(tmp_path / "a.jpg", record_of("a.jpg"), grid.tiles)
        whole = read_image(str(tmp_path / "a.jpg"), "RGB").astype(int)
        for tile, name in zip(grid.tiles, names, strict=True):
            part = whole[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            difference = np.abs(read_image(str(tmp_path / format / name), "RGB") - part)
            assert difference.max() == 0 if format == "png" else difference.mean() < 2  # JPEG rounds


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, "png"), (np.int32, "tif"), (np.float32, "tif")])
def test_more_than_8_bits_are_kept(tmp_path, dtype, suffix):
    values = pixels(HEIGHT, WIDTH, high=60000, dtype=dtype)
    Image.fromarray(values).save(tmp_path / "a.tif")
    tiles, names = cut(tmp_path, "a.tif")
    for tile, name in zip(tiles, names, strict=True):
        assert name.endswith(suffix)
        part = values[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        assert np.array_equal(np.asarray(Image.open(tmp_path / "tiles" / name)), part)
    with pytest.raises(DatasetError, match="more than 8 bits a pixel, which JPEG cannot hold"):
        open_upright(tmp_path / "a.tif", record_of("a.tif"), "jpg")


def test_a_large_scan_is_no_bomb(tmp_path, monkeypatch):
    """Pillow's limit is far below what is to be tiled; ours holds while the image is opened, and no longer."""
    Image.fromarray(pixels(HEIGHT, WIDTH)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_upright(tmp_path / "a.png", record_of("a.png"), "png").size == (WIDTH, HEIGHT)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_wrong_size_and_what_is_no_image(tmp_path):
    Image.fromarray(pixels(HEIGHT, WIDTH)).save(tmp_path / "a.png")
    with pytest.raises(
        DatasetError, match=r"a.png \(image id 1\) is 30x46 .*, but the JSON says 46x30: correct the JSON"
    ):
        open_upright(tmp_path / "a.png", record_of("a.png", WIDTH, HEIGHT), "png")
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"b.png \(image id 1\) cannot be decoded"):
        open_upright(tmp_path / "b.png", record_of("b.png"), "png")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:-200])
    with pytest.raises(DatasetError, match=r"c.png \(image id 1\) cannot be decoded"):
        open_upright(tmp_path / "c.png", record_of("c.png"), "png")


def test_names_are_told_apart_and_stay_in_the_folder(tmp_path):
    Image.fromarray(pixels(8, 8)).save(tmp_path / "a.png")
    writer = TileWriter(tmp_path / "deep" / "tiles", "png", 95)
    tiles = Grid(8, 8, 8, 0).tiles
    wanted = ["a.png", "a.jpg", "A.png", "s/a.png", "../../a.png", "/etc/a.png", "..\\b.png", "C:\\c.png"]
    names = [
        writer.write(tmp_path / "a.png", record_of(name, 8, 8, image_id), tiles)[0]
        for image_id, name in enumerate(wanted)
    ]
    assert [name.removesuffix("_x00000_y00000.png") for name in names] == [
        "a", "a_1", "A_2", "s/a", "a_4", "etc/a", "b", "C_/c",
    ]  # fmt: skip
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    assert found == {"a.png", *(f"deep/tiles/{name}" for name in names)}
