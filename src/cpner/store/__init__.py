"""The prefix store: cards, packages, the folder, and the domains in memory (`cpner.store.domains`). Needs no torch."""

from cpner.store.card import DomainCard, StoredDomain, check_fits, check_name
from cpner.store.store import Store

__all__ = ["DomainCard", "Store", "StoredDomain", "check_fits", "check_name"]
