"""The path manager: what is behind a URL is fetched once, and a failure says what can be done."""

from __future__ import annotations

import hashlib
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from detectron2.utils import file_io
from detectron2.utils.file_io import PathManager, write_atomically


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a path manager that remembers no earlier download."""
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    manager = type(PathManager)()
    manager.register_handler(file_io._DownloadHandler())
    manager.register_handler(file_io.Detectron2Handler())
    monkeypatch.setattr(file_io, "PathManager", manager)
    return tmp_path / "cache"


def test_local_paths(tmp_path):
    PathManager.mkdirs(str(tmp_path / "a/b"))
    with PathManager.open(str(tmp_path / "a/b/c.txt"), "w") as file:
        file.write("text")
    assert PathManager.ls(str(tmp_path / "a/b")) == ["c.txt"]
    assert PathManager.get_local_path(str(tmp_path / "a")) == str(tmp_path / "a")


def test_detectron2_prefix_is_fetched_once(cache, monkeypatch):
    asked = []

    def retrieve(url, filename, reporthook=None):
        asked.append((url, socket.getdefaulttimeout()))
        Path(filename).write_bytes(b"weights")
        return filename, None

    monkeypatch.setattr(urllib.request, "urlretrieve", retrieve)
    path = file_io.PathManager.get_local_path("detectron2://A/B/model.pkl")
    assert path == str(cache / "detectron2/A/B/model.pkl")
    with file_io.PathManager.open("detectron2://A/B/model.pkl", "rb") as file:
        assert file.read() == b"weights"
    assert asked == [("https://dl.fbaipublicfiles.com/detectron2/A/B/model.pkl", file_io.DOWNLOAD_TIMEOUT)]
    assert socket.getdefaulttimeout() is None  # the limit holds for downloads only


@pytest.mark.parametrize("url", ["detectron2://R-50.pkl", "https://dl.fbaipublicfiles.com/detectron2/R-50.pkl"])
def test_failed_download_says_where_to_put_the_file(cache, monkeypatch, url):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlretrieve", fail)
    with pytest.raises(OSError, match="no route to host") as caught:
        file_io.PathManager.get_local_path(url)
    place = cache / "detectron2/R-50.pkl"
    sentence = str(caught.value)
    assert sentence.startswith("Could not download https://dl.fbaipublicfiles.com/detectron2/R-50.pkl (")
    assert str(place) in sentence
    assert 'MODEL.WEIGHTS ""' in sentence
    place.write_bytes(b"by hand")  # doing what the sentence says is enough
    assert file_io.PathManager.get_local_path(url) == str(place)


def test_what_is_no_weights_file_gets_no_advice_on_weights(cache, monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.HTTPError("http://x.org/a.json", 404, "Not Found", {}, None)

    monkeypatch.setattr(urllib.request, "urlretrieve", fail)
    with pytest.raises(OSError, match="404") as caught:
        file_io.PathManager.get_local_path("http://x.org/a.json")
    assert "MODEL.WEIGHTS" not in str(caught.value)


def serve(monkeypatch, content):
    def retrieve(url, filename, reporthook=None):
        Path(filename).write_bytes(content)
        return filename, None

    monkeypatch.setattr(urllib.request, "urlretrieve", retrieve)


# `printf weights | sha256sum` and `| md5sum`
SHA256, MD5 = hashlib.sha256(b"weights").hexdigest(), hashlib.md5(b"weights").hexdigest()


@pytest.mark.parametrize(
    "name", [f"resnet50-{SHA256[:8]}.pth", f"model_final_{SHA256[:6]}.pkl", f"model_final_{MD5[:6]}.pkl", "R-50.pkl"]
)
def test_a_file_that_keeps_the_promise_of_its_name(cache, monkeypatch, caplog, name):
    serve(monkeypatch, b"weights")
    assert file_io.PathManager.get_local_path(f"https://example.com/{name}") == str(cache / name)
    assert not caplog.records


def test_a_damaged_download_is_refused_by_the_sum_in_its_name(cache, monkeypatch):
    serve(monkeypatch, b"half of the wei")
    with pytest.raises(OSError, match=rf"resnet50-{SHA256[:8]}.pth is damaged.*begins with {SHA256[:8]}.*delete"):
        file_io.PathManager.get_local_path(f"https://example.com/resnet50-{SHA256[:8]}.pth")


def test_a_zoo_file_of_another_sum_is_warned_of(cache, monkeypatch, caplog):
    serve(monkeypatch, b"half of the wei")
    path = file_io.PathManager.get_local_path(f"detectron2://X/model_final_{SHA256[:6]}.pkl")
    assert path == str(cache / f"detectron2/X/model_final_{SHA256[:6]}.pkl")
    assert f"its name holds {SHA256[:6]}" in caplog.text


def test_failed_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pth"
    with write_atomically(str(path)) as file:
        file.write(b"old")
    with pytest.raises(KeyboardInterrupt), write_atomically(str(path)) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.pth"]  # nothing else is left behind
