"""
A model over files. ``sources`` finds them, ``loading`` reads ahead, ``predict_files`` runs the model and keeps a
``journal`` of what is done, ``shard`` shares the images out, ``measurements`` measures, ``output_formats`` names what
can be written, and each writer in ``writing`` writes one format.
"""
