"""The sample set: ``shapes`` writes it, ``shapes_outline`` places the objects, ``shapes_picture`` paints them."""
