"""Entities, scores and curves made visible: terminal, HTML, tables and pictures."""
