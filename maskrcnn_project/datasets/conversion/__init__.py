"""
To COCO from other annotation formats, and back to two of them; one file a format.

``labelme``, ``yolo``, ``voc``, ``cvat`` and ``mask_folder`` each read into a ``collection``, which makes the COCO
content; ``refusals`` decides what an error costs, ``counts`` tells what is left out. ``labelme`` and ``yolo_writer``
write what ``coco_source`` finds usable, ``write_report`` says what to do next. ``image_folder`` finds images and their
sizes, ``text_lists`` and ``class_names`` read lists, ``primitive_shapes`` draws shapes as polygons, ``index_picture``
reads pictures whose pixels are numbers, ``hole_bridges`` joins several borders into one, ``new_files`` writes without
overwriting. No image is ever copied or changed.

Why the readers are written here: each format is JSON, YAML, XML or a picture, and these are read by maintained
libraries. Converters on top of them commonly keep the outer border of an object only, drop its holes or smaller parts,
and are silent about what they skip. Here an object keeps its pixels, and what is left out is counted and named.

Coordinates are COCO's throughout: pixels, x to the right and y downwards, with (0, 0) at the upper left corner of the
upper left pixel. Images are taken upright, as their EXIF orientation says and as Detectron2 reads them.
"""
