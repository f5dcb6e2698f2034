"""Sagekeeper: the books and the watch over machine learning on AWS."""

__version__ = "0.1.0"
