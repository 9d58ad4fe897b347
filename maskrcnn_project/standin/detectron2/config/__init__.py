"""Configuration: a tree of keys with defaults, YAML files that change some, and classes built from it."""

from detectron2.config.compat import downgrade_config, upgrade_config
from detectron2.config.config import CfgNode, configurable, get_cfg, global_cfg, set_global_cfg
from detectron2.utils._refused import refuse

__all__ = [
    "CfgNode",
    "configurable",
    "downgrade_config",
    "get_cfg",
    "global_cfg",
    "set_global_cfg",
    "upgrade_config",
]

__getattr__ = refuse(
    __name__,
    {
        "LazyCall": "configuration in Python files (LazyConfig)",
        "LazyConfig": "configuration in Python files (LazyConfig)",
        "instantiate": "configuration in Python files (LazyConfig)",
    },
)
