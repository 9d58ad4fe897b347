"""
What a dataset looks like, on one page, before anything is trained on it.

``objects`` holds what is measured of every object, ``anchors`` how well a config's anchors cover them, ``settings``
what the training would choose instead, ``examples`` pictures of what the check has found; ``analyze`` brings them
together and ``analysis_page`` writes them down.
"""

GENERATOR = "maskrcnn_project analyze_dataset"  # by which the tool knows its own earlier pages
