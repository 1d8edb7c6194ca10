"""Iterative training for PyTorch Lightning: training whose data is made by the model being trained."""

__version__ = "0.1.0"
