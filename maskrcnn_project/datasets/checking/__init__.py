"""
What is wrong with a dataset, on one page, and how to fix it.

``rules`` lists every rule (``rule``) with its id, severity and advice, ``instance_rules`` those on boxes and masks;
``findings`` collects what breaks them; ``split_tables`` reads one split leniently. The rules themselves lie by what
they look at: ``table_rules`` (ids, references, keys), ``box_rules`` (and ``frames``: what most rows have in common),
``mask_rules`` (the pixels in ``drawn_masks``), ``image_rules`` (the files), ``set_rules`` (all of a set at once, and
train against val). ``check`` runs them, ``check_report`` writes the page, ``precheck`` is the gate before a training,
``fix`` writes a fixed copy, with ``fix_files``, ``fix_tables``, ``fix_forms``, ``fix_frames`` and ``fix_instances``,
by the very functions that find the faults.
"""
