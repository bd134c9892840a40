"""Hostile input for all that reads: mutated corpora, cards, archives, backbones, texts and arguments; and kills."""
