"""The frozen T5, its prefixes, and how both are loaded and run."""

EMBEDDED = "cpner-mini"  # the backbone that comes with the package
