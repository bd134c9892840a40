"""Scores as probabilities: their features, how they are fitted, where to cut, how good they are. Needs no torch."""
