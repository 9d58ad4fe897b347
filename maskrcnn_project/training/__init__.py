"""
From options to a trained run.

``arguments`` parses the command; ``own_data`` reads the user's files and ``recommend`` chooses settings from them;
``prepare`` makes the config of it; ``run`` trains and evaluates with the ``trainer``, whose every step is in
``training_step``. ``hooks`` act between steps, ``augmentation`` changes samples, ``optimization`` moves weights.
``overfit`` and ``find_batch_size`` are trials before a long training; ``memory`` and ``signals`` speak with the system.
"""
