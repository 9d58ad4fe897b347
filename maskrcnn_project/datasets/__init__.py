"""
Datasets: one file a verb, each imported by its own name, so that a door's ``--help`` loads none of them.

``coco_file`` reads a COCO file and says what is wrong with it; ``register`` puts a set into Detectron2's
catalogs, from arguments or from a ``description``, with its ``categories`` changed if need be; ``checking`` says
on one page what is wrong, and fixes it; ``split``, ``merge``, ``subset`` and ``tile`` make other files of one;
``conversion`` comes from other formats and goes back; ``statistics`` counts and measures, ``analysis`` shows it;
``masks`` turns polygons into pixels and back; ``shapes`` draws the sample set.
"""
