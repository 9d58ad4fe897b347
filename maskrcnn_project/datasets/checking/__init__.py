"""
What is wrong with a dataset, on one page, and how to fix it.

``rules`` lists every rule (``rule``) with its id, severity and advice, those of boxes and masks ``instance_rules``; ``findings`` collects what breaks them; ``tables`` reads
one split leniently. The rules themselves lie by what they look at: ``table_rules`` (ids, references, keys),
``box_rules`` (``frames``: what most rows have in common), ``mask_rules`` (the form of a mask in ``mask_form``, its pixels in ``drawn_masks``), ``image_rules`` (the
files), ``set_rules`` (all of a set at once, and train against val). ``check`` runs them, ``report`` writes the page,
``fix`` a fixed copy, with ``fix_files``, ``fix_tables``, ``fix_forms``, ``fix_frames`` and ``fix_instances``, by the very functions that find the faults.
"""
