"""
How good a model is. ``evaluator`` runs during training; ``run_report`` writes a page out of the files it leaves:
``pairs`` reads them, ``evaluation`` scores them, ``report`` shows them. ``compare`` sets two runs side by side;
``post_mortem`` says why nothing was found.
"""
