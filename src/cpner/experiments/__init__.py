"""Experiments that are made of the library: the paper's, and the demo."""
