"""
A trained model as one file that runs without its config, and mostly without this package: ONNX, TorchScript,
torch.export.
"""
