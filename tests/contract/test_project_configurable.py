"""A project whose classes and functions are made from explicit arguments or from a cfg, whichever the caller has."""

import pytest
from detectron2.config import CfgNode, configurable, get_cfg
from detectron2.utils.registry import Registry

SHAPES = Registry("SHAPES")


class Base:
    @configurable
    def __init__(self, width, *, height=2, name="base"):
        self.size = (width, height)
        self.name = name

    @classmethod
    def from_config(cls, cfg, scale=1):
        return {"width": cfg.PROJECT.WIDTH * scale, "height": cfg.PROJECT.HEIGHT}


@SHAPES.register()
class Deep(Base):
    @configurable
    def __init__(self, *args, depth=1, **kwargs):
        super().__init__(*args, **kwargs)
        self.depth = depth

    @classmethod
    def from_config(cls, cfg, scale=1):
        return {**super().from_config(cfg, scale), "depth": cfg.PROJECT.DEPTH}


@SHAPES.register()
class Renamed(Base):
    """Changes nothing but what the cfg is read as: the constructor of the base class is the one called."""

    @classmethod
    def from_config(cls, cfg):
        return {"width": cfg.PROJECT.DEPTH, "name": "renamed"}


def area_arguments(cfg, twice=False):
    return {"width": cfg.PROJECT.WIDTH * (2 if twice else 1), "height": cfg.PROJECT.HEIGHT}


@configurable(from_config=area_arguments)
def area(width, height, unit="px"):
    return f"{width * height} {unit}"


@pytest.fixture
def cfg():
    cfg = get_cfg()
    cfg.PROJECT = CfgNode({"WIDTH": 3, "HEIGHT": 4})
    cfg.PROJECT.DEPTH = 7
    return cfg


def test_explicit_arguments():
    assert Base(5).size == (5, 2)
    assert Base(width=5, height=6, name="x").name == "x"
    deep = Deep(1, height=3, depth=9)
    assert (deep.size, deep.depth, deep.name) == ((1, 3), 9, "base")
    assert area(2, 3) == "6 px"
    assert area(width=2, height=3, unit="mm") == "6 mm"


def test_a_cfg(cfg):
    assert Base(cfg).size == (3, 4)
    assert Base(cfg=cfg).size == (3, 4)
    deep = Deep(cfg)
    assert (deep.size, deep.depth) == ((3, 4), 7)
    assert area(cfg) == area(cfg=cfg) == "12 px"


def test_further_arguments_go_to_from_config_or_override_it(cfg):
    assert Base(cfg, 10).size == (30, 4)  # an argument of from_config by position
    assert Base(cfg, scale=10).size == (30, 4)  # ... and by name
    assert Base(cfg, height=1).size == (3, 1)  # one of the constructor, in place of what from_config says
    assert Base(cfg, name="other").name == "other"
    deep = Deep(cfg, scale=2, depth=8)
    assert (deep.size, deep.depth) == ((6, 4), 8)
    assert area(cfg, twice=True, unit="mm") == "24 mm"


def test_from_config_of_the_object_s_own_class_is_used(cfg):
    renamed = Renamed(cfg)
    assert (renamed.size, renamed.name) == ((7, 2), "renamed")


def test_by_name_from_a_registry(cfg):
    assert isinstance(SHAPES.get("Deep")(cfg), Deep)
    assert "Renamed" in SHAPES
    assert sorted(name for name, _ in SHAPES) == ["Deep", "Renamed"]
    with pytest.raises(KeyError):
        SHAPES.get("Flat")


def test_a_frozen_cfg_is_enough(cfg):
    cfg.freeze()
    assert Base(cfg).size == (3, 4)
    with pytest.raises(AttributeError):
        cfg.PROJECT.WIDTH = 5


def test_a_class_without_from_config_says_so(cfg):
    class Without:
        @configurable
        def __init__(self, a):
            self.a = a

    assert Without(1).a == 1
    with pytest.raises(AttributeError, match="from_config"):
        Without(cfg)

    class NoClassmethod:
        @configurable
        def __init__(self, a):
            self.a = a

        def from_config(self, cfg):
            return {"a": 1}

    with pytest.raises(TypeError, match="classmethod"):
        NoClassmethod(cfg)


def test_a_project_s_own_keys_go_through_yaml_and_the_command_line(cfg, tmp_path):
    (tmp_path / "base.yaml").write_text("PROJECT:\n  WIDTH: 30\nSOLVER:\n  BASE_LR: 0.5\n")
    (tmp_path / "own.yaml").write_text("_BASE_: base.yaml\nPROJECT:\n  HEIGHT: 40\n")
    cfg.merge_from_file(str(tmp_path / "own.yaml"))
    cfg.merge_from_list(["PROJECT.DEPTH", "70", "SOLVER.STEPS", "(10, 20)"])
    assert (cfg.PROJECT.WIDTH, cfg.PROJECT.HEIGHT, cfg.PROJECT.DEPTH) == (30, 40, 70)
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.STEPS) == (0.5, (10, 20))
    again = get_cfg()
    again.PROJECT = CfgNode(new_allowed=True)
    (tmp_path / "dump.yaml").write_text(cfg.dump())
    again.merge_from_file(str(tmp_path / "dump.yaml"))
    assert again.PROJECT == cfg.PROJECT
    with pytest.raises(KeyError):
        get_cfg().merge_from_list(["PROJECT.WIDTH", 1])
