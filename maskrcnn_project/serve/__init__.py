"""A local page on which one tries a model (tools/serve.py). It needs the extra packages of the extra "serve"."""
