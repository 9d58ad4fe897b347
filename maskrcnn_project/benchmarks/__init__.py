"""
What things cost on this machine: ``benchmark`` times the stages of training and inference, ``model_costs`` counts
parameters, multiply-adds and memory, ``large_dataset`` reads a file of a million instances.
"""
