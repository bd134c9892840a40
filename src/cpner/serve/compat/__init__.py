"""Routes that answer as other servers do, so that their clients need no change. Each module is one protocol."""
