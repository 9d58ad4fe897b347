"""Files are read without running what lies in them, and written whole or not at all."""

import builtins
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from detectron2.checkpoint._files import UnsafeFileError, find_foreign, read_checkpoint

# pickle.dumps({"conv1_w": np.float32([1, -2]), "name": "x"}, 2) by Python 2.7 with numpy 1.16: str is bytes there
PYTHON2 = (
    b"\x80\x02}q\x01(U\x07conv1_wq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
    b"U\x01b\x87Rq\x05(K\x01K\x02\x85cnumpy\ndtype\nq\x06U\x02f4K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80?\x00\x00\x00\xc0tbU\x04nameq\x08U\x01xu."
)


class Evil:
    """Unpickling it would make a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def write_pickle(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return str(path)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickle_of_arrays_numbers_and_containers(tmp_path, protocol):
    content = {
        "model": OrderedDict(a=np.arange(6, dtype="float32").reshape(2, 3), b=np.float64(2.5), c=np.array(True)),
        "rest": [1, 2.5, "text", b"\xff\x00", None, True, (1, {2, 3}), 1 + 2j],
    }
    loaded = read_checkpoint(write_pickle(tmp_path / "a.pkl", content, protocol))
    assert loaded["rest"] == content["rest"]
    assert loaded["model"].keys() == content["model"].keys()
    for key, value in content["model"].items():
        np.testing.assert_array_equal(loaded["model"][key], value)


def test_pickle_of_python_2(tmp_path):
    (tmp_path / "old.pkl").write_bytes(PYTHON2)
    loaded = read_checkpoint(str(tmp_path / "old.pkl"))
    assert loaded["name"] == "x"
    np.testing.assert_array_equal(loaded["conv1_w"], np.float32([1, -2]))


def test_pickle_that_would_run_code_is_refused_by_name(tmp_path):
    folder = tmp_path / "made_by_pickle"
    path = write_pickle(tmp_path / "evil.pkl", {"model": Evil(folder)})
    with pytest.raises(UnsafeFileError, match=r"evil.pkl holds posix.mkdir. Only tensors"):
        read_checkpoint(path)
    assert not folder.exists()


@pytest.mark.parametrize(
    "program, name",
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"c__builtin__\nexec\n.", "builtins.exec"),  # Python 2's name
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", "numpy.ndarray.dumps"),
    ],
)
def test_pickle_of_other_names_is_refused(tmp_path, program, name):
    (tmp_path / "x.pkl").write_bytes(program)
    with pytest.raises(UnsafeFileError, match=f"holds {name}"):
        read_checkpoint(str(tmp_path / "x.pkl"))


def test_pickle_may_not_look_up_codecs(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"c_codecs\nencode\n(Vabc\nVrot13\ntR.")
    with pytest.raises(UnsafeFileError, match="codec 'rot13'"):
        read_checkpoint(str(tmp_path / "x.pkl"))


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_truncated_file_is_named(tmp_path, suffix):
    path = tmp_path / f"half{suffix}"
    if suffix == ".pkl":
        write_pickle(path, {"a": np.zeros(100)})
    else:
        torch.save({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"half{suffix} cannot be read .*truncated or of another kind"):
        read_checkpoint(str(path))


def test_torch_file_of_tensors_and_a_trainers_state(tmp_path):
    state = {
        "model": {"w": torch.arange(3.0)},
        "iteration": 7,
        "trainer": {"hooks": {"LRScheduler": {"base_lrs": [0.1]}}, "metric": np.float64(0.5), "array": np.arange(2)},
    }
    torch.save(state, tmp_path / "a.pth")
    loaded = read_checkpoint(str(tmp_path / "a.pth"))
    assert torch.equal(loaded["model"]["w"], torch.arange(3.0))
    assert loaded["iteration"] == 7
    assert loaded["trainer"]["metric"] == 0.5
    assert loaded["trainer"]["hooks"] == state["trainer"]["hooks"]
    np.testing.assert_array_equal(loaded["trainer"]["array"], [0, 1])


@pytest.mark.parametrize("new_format", [True, False])
def test_torch_file_that_would_run_code_is_refused_by_name(tmp_path, new_format):
    folder = tmp_path / "made_by_torch"
    torch.save({"model": {}, "x": Evil(folder)}, tmp_path / "evil.pth", _use_new_zipfile_serialization=new_format)
    with pytest.raises(UnsafeFileError, match=r"evil.pth holds posix.mkdir"):
        read_checkpoint(str(tmp_path / "evil.pth"))
    assert not folder.exists()


def test_safetensors_without_the_package(tmp_path, monkeypatch):
    def no_safetensors(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    importing = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_safetensors)
    with pytest.raises(ImportError, match="w.safetensors is a safetensors file.*pip install safetensors"):
        read_checkpoint(str(tmp_path / "w.safetensors"))


def test_safetensors(tmp_path):
    torch_io = pytest.importorskip("safetensors.torch", reason="safetensors is an optional package")
    torch_io.save_file({"w": torch.arange(3.0)}, tmp_path / "w.safetensors")
    assert torch.equal(read_checkpoint(str(tmp_path / "w.safetensors"))["w"], torch.arange(3.0))


def test_first_foreign_names_place_and_type():
    plain = {"a": [1, (2.0, "x", None)], 3: {"t": torch.zeros(1), "n": np.int64(1)}}
    assert find_foreign(plain) is None
    found = find_foreign({"hooks": [0, {"best": OrderedDict(x=slice(1))}]})
    assert found == "['hooks'][1]['best']['x'] is a builtins.slice"
