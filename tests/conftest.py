"""Every test sees ``detectron2`` as a user of the plugin does: provided by importing ``maskrcnn_project``."""

import maskrcnn_project  # noqa: F401
