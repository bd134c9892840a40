"""Pretraining of a backbone from plain text and labelled sentences."""
