"""
How the weights move: which of them train (``freezing``), by how much (``parameter_groups``), for how long
(``schedule``).
"""
