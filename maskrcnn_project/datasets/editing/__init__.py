"""
One COCO file made into others: ``split``, ``merge``, ``subset``, ``tile``. ``grouping`` and ``stratification`` say what
belongs together and what must be spread evenly, ``same_images`` finds copies, ``tile_pictures`` cuts the image files.
"""
