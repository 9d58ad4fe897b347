"""The configuration tree: merging files and options, safety, and what each mistake is answered with."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import yaml
from detectron2.config import CfgNode, configurable, get_cfg, global_cfg, set_global_cfg


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_default_tree_has_the_published_values():
    cfg = get_cfg()
    assert cfg.VERSION == 2
    assert cfg.MODEL.PIXEL_MEAN == [103.53, 116.28, 123.675]
    assert cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS == (10.0, 10.0, 5.0, 5.0)
    assert (cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_FACTOR) == ((30000,), 0.001)
    assert cfg.TEST.AUG.MIN_SIZES[-1] == 1200


def test_each_get_cfg_is_a_copy_of_its_own():
    first = get_cfg()
    first.MODEL.ROI_HEADS.NUM_CLASSES = 3
    first.MODEL.FPN.IN_FEATURES.append("res2")
    assert get_cfg().MODEL.ROI_HEADS.NUM_CLASSES == 80
    assert get_cfg().MODEL.FPN.IN_FEATURES == []


def test_file_overrides_only_what_it_names(tmp_path):
    cfg = get_cfg()
    cfg.merge_from_file(write(tmp_path, "a.yaml", "SOLVER: {BASE_LR: 2e-2, STEPS: [1, 2]}\n"))
    assert cfg.SOLVER.BASE_LR == 0.02  # YAML 1.1 reads 2e-2 as text; the tree's literals make it a number
    assert cfg.SOLVER.STEPS == (1, 2)  # a list becomes the default's tuple
    assert cfg.SOLVER.GAMMA == 0.1


def test_empty_file_changes_nothing(tmp_path):
    cfg = get_cfg()
    cfg.merge_from_file(write(tmp_path, "empty.yaml", "# nothing\n"))
    assert cfg == get_cfg()


@pytest.mark.parametrize("how", ["relative", "absolute", "home", "list"])
def test_base_file(tmp_path, monkeypatch, how):
    base = write(tmp_path, "base/base.yaml", "SEED: 1\nVIS_PERIOD: 5\n")
    other = write(tmp_path, "base/other.yaml", "VIS_PERIOD: 6\nCUDNN_BENCHMARK: true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    value = {
        "relative": "../base/base.yaml",
        "absolute": base,
        "home": '"~/base/base.yaml"',
        "list": f"[../base/base.yaml, {other}]",
    }[how]
    cfg = get_cfg()
    cfg.merge_from_file(write(tmp_path, "sub/top.yaml", f"_BASE_: {value}\nSEED: 2\n"))
    assert cfg.SEED == 2
    assert (6 if how == "list" else 5) == cfg.VIS_PERIOD  # the later of two bases lies on top
    assert how == "list" or not cfg.CUDNN_BENCHMARK
    assert "_BASE_" not in cfg


def test_missing_base_names_who_asked(tmp_path):
    top = write(tmp_path, "top.yaml", "_BASE_: nowhere.yaml\n")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml, which .*top\.yaml names as its _BASE_"):
        get_cfg().merge_from_file(top)


def test_circle_of_bases_is_named(tmp_path):
    first = write(tmp_path, "1.yaml", "_BASE_: 2.yaml\n")
    write(tmp_path, "2.yaml", "_BASE_: 1.yaml\n")
    with pytest.raises(ValueError, match=r"builds on itself .*1\.yaml -> .*2\.yaml -> .*1\.yaml"):
        get_cfg().merge_from_file(first)


def test_group_on_top_of_a_base_value(tmp_path):
    write(tmp_path, "base.yaml", "SOLVER: 3\n")
    top = write(tmp_path, "top.yaml", "_BASE_: base.yaml\nSOLVER: {GAMMA: 0.5}\n")
    with pytest.raises(ValueError, match="makes SOLVER a group of keys, but its _BASE_ gives it the value 3"):
        get_cfg().merge_from_file(top)


@pytest.mark.parametrize("allow_unsafe", [True, False])
@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:pathlib.Path.touch", "!!python/name:os.system", "!!python/tuple"]
)
def test_python_tags_are_refused_and_not_obeyed(tmp_path, monkeypatch, tag, allow_unsafe):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "evil.yaml", f"SEED: 1\nOUTPUT_DIR: {tag} [PWNED]\n")
    with pytest.raises(ValueError, match=r"evil\.yaml, line 2, holds !!python.* never obeyed"):
        get_cfg().merge_from_file(path, allow_unsafe=allow_unsafe)
    with pytest.raises(ValueError, match=r"evil\.yaml, line 2"):
        CfgNode.load_yaml_with_base(path, allow_unsafe=allow_unsafe)
    assert not (tmp_path / "PWNED").exists()


def test_python_file_is_not_run(tmp_path):
    path = write(tmp_path, "cfg.py", "open('PWNED', 'w')\ncfg = {}\n")
    with open(path) as file, pytest.raises(ValueError, match="never run"):
        CfgNode.load_cfg(file)


def test_broken_yaml_names_file_and_line(tmp_path):
    with pytest.raises(ValueError, match=r"broken\.yaml, line 2, is not plain YAML"):
        get_cfg().merge_from_file(write(tmp_path, "broken.yaml", "SEED: [1\nVIS_PERIOD: 2\n"))
    with pytest.raises(ValueError, match="must hold keys and values, but holds a list"):
        get_cfg().merge_from_file(write(tmp_path, "list.yaml", "- 1\n"))
    (tmp_path / "bytes.yaml").write_bytes(b"SEED: \xff\xfe\n")
    with pytest.raises(ValueError, match=r"bytes\.yaml is not YAML text"):
        get_cfg().merge_from_file(str(tmp_path / "bytes.yaml"))


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r"There is no config file nowhere\.yaml"):
        get_cfg().merge_from_file("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "key", "closest"),
    [
        ("MODEL: {NUM_CLASSES: 3}", "MODEL.NUM_CLASSES", "MODEL.ROI_HEADS.NUM_CLASSES"),  # the right word elsewhere
        ("SOLVER: {BASE_LRR: 0.1}", "SOLVER.BASE_LRR", "SOLVER.BASE_LR"),
        ("SOLVR: {GAMMA: 0.1}", "SOLVR", "SOLVER"),
    ],
)
def test_unknown_key_names_file_key_and_closest(tmp_path, text, key, closest):
    cfg = get_cfg()
    with pytest.raises(KeyError) as caught:
        cfg.merge_from_file(write(tmp_path, "typo.yaml", "SEED: 7\n" + text))
    assert f"typo.yaml sets a key that does not exist: {key} (closest: {closest}" in str(caught.value)
    assert cfg == get_cfg()  # nothing of the file was taken


def test_all_unknown_keys_are_named_at_once(tmp_path):
    with pytest.raises(KeyError, match=r"keys that do not exist: A \(.*\); SOLVER\.B \("):
        get_cfg().merge_from_file(write(tmp_path, "t.yaml", "A: 1\nSOLVER: {B: 2}\n"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SOLVER: {BASE_LR: 1}", r"SOLVER\.BASE_LR needs float \(now 0\.001\), but .* gives int 1: write 1\.0"),
        ("OUTPUT_DIR: 5", "OUTPUT_DIR needs str .*: write it in quotes, '5'"),
        ("DATASETS: {TRAIN: mine}", r"DATASETS\.TRAIN needs tuple .*: write a list, \('mine',\)"),
        ("SOLVER: 3", "SOLVER is a group of keys, but .* gives it the value 3"),
        ("SOLVER:", "SOLVER is a group of keys, but .* gives it the value None"),
        ("SEED: {A: 1}", r"SEED is one value \(default -1\), but .* makes it a group"),
    ],
)
def test_wrong_type_says_what_to_write(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        get_cfg().merge_from_file(write(tmp_path, "typed.yaml", text))


def test_none_fits_either_way(tmp_path):
    cfg = get_cfg()
    cfg.merge_from_file(write(tmp_path, "none.yaml", "SOLVER: {WEIGHT_DECAY_BIAS: 0.5, GAMMA: null}"))
    assert (cfg.SOLVER.WEIGHT_DECAY_BIAS, cfg.SOLVER.GAMMA) == (0.5, None)


def test_a_projects_own_keys(tmp_path):
    cfg = get_cfg()
    cfg.MY = CfgNode({"DEPTH": 3})
    cfg.FREE = CfgNode(new_allowed=True)
    cfg.merge_from_file(write(tmp_path, "own.yaml", "MY: {DEPTH: 4}\nFREE: {ANY: {THING: 1}}\n"))
    assert cfg.MY.DEPTH == 4
    assert cfg.FREE.ANY.THING == 1


class TestOptionList:
    def test_words_become_literals(self):
        cfg = get_cfg()
        cfg.merge_from_list(
            ["MODEL.MASK_ON", "True", "MODEL.WEIGHTS", "", "DATASETS.TRAIN", "('a', 'b')", "SOLVER.BASE_LR", "1e-2"]
        )
        assert (cfg.MODEL.MASK_ON, cfg.MODEL.WEIGHTS, cfg.DATASETS.TRAIN) == (True, "", ("a", "b"))
        assert cfg.SOLVER.BASE_LR == 0.01

    def test_mistakes_leave_the_tree_as_it_was(self):
        cfg = get_cfg()
        with pytest.raises(KeyError, match=r"MODEL\.MASKON \(closest: MODEL\.MASK_ON"):
            cfg.merge_from_list(["SEED", "3", "MODEL.MASKON", "True"])
        with pytest.raises(ValueError, match=r"SOLVER\.GAMMA needs float .* the option list gives int 1"):
            cfg.merge_from_list(["SEED", "3", "SOLVER.GAMMA", "1"])
        with pytest.raises(AssertionError, match="odd number of words: SEED 3 VIS_PERIOD"):
            cfg.merge_from_list(["SEED", "3", "VIS_PERIOD"])
        assert cfg == get_cfg()

    def test_unknown_key_is_also_the_error_that_detectron2_raises(self):
        with pytest.raises(AssertionError):
            get_cfg().merge_from_list(["NO.SUCH", "1"])


def test_dump_reads_back_as_the_same_tree(tmp_path):
    cfg = get_cfg()
    cfg.SOLVER.BASE_LR = 0.02
    cfg.INPUT.MIN_SIZE_TRAIN = (640, 800)
    again = get_cfg()
    again.merge_from_file(write(tmp_path, "config.yaml", cfg.dump()))
    assert again.dump() == cfg.dump()
    assert again.INPUT.MIN_SIZE_TRAIN == (640, 800)
    with open(tmp_path / "stream.yaml", "w") as stream:
        assert cfg.dump(stream) is None
    assert yaml.safe_load((tmp_path / "stream.yaml").read_text())["SOLVER"]["BASE_LR"] == 0.02


def test_frozen_tree_refuses_assignment_until_defrosted():
    cfg = get_cfg()
    cfg.freeze()
    with pytest.raises(AttributeError, match="immutable"):
        cfg.SOLVER.GAMMA = 0.5
    cfg.defrost()
    cfg.SOLVER.GAMMA = 0.5
    assert cfg.clone().SOLVER.GAMMA == 0.5


def test_pickles_as_itself():
    cfg = get_cfg()
    copy = pickle.loads(pickle.dumps(cfg))
    assert type(copy) is CfgNode
    assert copy == cfg


def test_global_cfg_holds_what_was_set():
    cfg = get_cfg()
    cfg.SEED = 11
    try:
        set_global_cfg(cfg)
        assert global_cfg.SEED == 11
    finally:
        set_global_cfg(CfgNode())
    assert dict(global_cfg) == {}


@pytest.mark.parametrize("name", ["LazyConfig", "LazyCall", "instantiate"])
def test_python_configs_are_left_out_with_a_sentence(name):
    import detectron2.config

    with pytest.raises(ImportError, match="LazyConfig.*install the real Detectron2"):
        getattr(detectron2.config, name)


def test_dump_writes_shared_values_out():
    """YAML would name the second of two equal tuples by an anchor, which nobody needs to edit."""
    cfg = get_cfg()
    cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS = cfg.MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS[0]
    assert "&id" not in cfg.dump()
    assert yaml.safe_load(cfg.dump())["MODEL"]["ROI_BOX_HEAD"]["BBOX_REG_WEIGHTS"] == [10.0, 10.0, 5.0, 5.0]


class Layer:
    @configurable
    def __init__(self, width, depth=1, *, name="plain"):
        self.values = (width, depth, name)

    @classmethod
    def from_config(cls, cfg, depth=2):
        return {"width": cfg.MODEL.FPN.OUT_CHANNELS, "depth": depth}


@pytest.mark.parametrize(
    ("args", "kwargs", "values"),
    [
        ((8,), {}, (8, 1, "plain")),  # explicit arguments go through unchanged
        ((8, 3), {"name": "x"}, (8, 3, "x")),
        (("cfg",), {}, (256, 2, "plain")),
        (("cfg", 5), {}, (256, 5, "plain")),  # from_config's own argument
        ((), {"cfg": "cfg", "depth": 5}, (256, 5, "plain")),
        (("cfg",), {"name": "x"}, (256, 2, "x")),  # not from_config's: added to what it returns
        (("cfg",), {"width": 4}, (4, 2, "plain")),  # and overrides it
    ],
)
def test_init(args, kwargs, values):
    cfg = get_cfg()
    args = tuple(cfg if a == "cfg" else a for a in args)
    kwargs = {k: cfg if v == "cfg" else v for k, v in kwargs.items()}
    assert Layer(*args, **kwargs).values == values


def test_subclass_translates_in_its_own_way():
    class Wide(Layer):
        @classmethod
        def from_config(cls, cfg, depth=2):
            return {**super().from_config(cfg, depth), "name": "wide"}

    class Plain(Layer):  # hands the cfg on from an __init__ of its own
        def __init__(self, cfg):
            super().__init__(cfg, 7)

    assert Wide(get_cfg()).values == (256, 2, "wide")
    assert Plain(get_cfg()).values == (256, 7, "plain")


def test_from_config_with_kwargs_gets_everything():
    class Open:
        @configurable
        def __init__(self, **values):
            self.values = values

        @classmethod
        def from_config(cls, cfg, **kwargs):
            return {"seen": kwargs}

    assert Open(get_cfg(), a=1).values == {"seen": {"a": 1}}


def test_function():
    def translate(cfg, b=2):
        return {"a": cfg.VERSION, "b": b}

    @configurable(from_config=translate)
    def add(a, b=1, c=0):
        """Docstring."""
        return a, b, c

    assert add(5) == (5, 1, 0)
    assert add(get_cfg()) == (2, 2, 0)
    assert add(get_cfg(), b=9, c=4) == (2, 9, 4)
    assert add.from_config is translate
    assert add.__doc__ == "Docstring."


def test_mistakes_are_named():
    class Without:
        @configurable
        def __init__(self, a):
            self.a = a

    class Instance(Without):
        def from_config(self, cfg):
            return {}

    class Misnamed(Without):
        @classmethod
        def from_config(cls, config):
            return {}

    class Tuple(Without):
        @classmethod
        def from_config(cls, cfg):
            return (1,)

    assert Without(3).a == 3
    for cls, error, sentence in (
        (Without, AttributeError, "Without was called with a cfg, but has no classmethod from_config"),
        (Instance, TypeError, "must be a classmethod"),
        (Misnamed, TypeError, "must be named cfg"),
        (Tuple, TypeError, "must return a dict, but returned tuple"),
    ):
        with pytest.raises(error, match=sentence):
            cls(get_cfg())
    with pytest.raises(TypeError, match="decorates an __init__ method"):
        configurable(lambda cfg: {})
    with pytest.raises(TypeError, match="must be a function"):
        configurable(from_config=3)
