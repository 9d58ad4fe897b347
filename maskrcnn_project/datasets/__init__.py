"""
Datasets: one file a verb, each imported by its own name, so that a door's ``--help`` loads none of them.

``coco_file`` reads a COCO file and says what is wrong with it; ``register`` puts a set into Detectron2's
catalogs, from arguments or from a ``description``; ``split`` parts one file into train and val;
``statistics`` counts and measures; ``shapes`` draws the sample set.
"""
