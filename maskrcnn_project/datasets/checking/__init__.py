"""
What is wrong with a dataset, on one page, and how to mend it.

``rules`` lists every rule with its id, severity and advice; ``findings`` collects what breaks them. The rules
themselves lie by what they look at: ``table_rules`` (ids, references, keys), ``box_rules``, ``mask_rules``,
``image_rules`` (the files), ``set_rules`` (all of a set at once, and train against val). ``check`` runs them,
``mend`` writes a mended copy, ``report`` the page.
"""
