"""The native routes, by what they are about. Each module has a list `ENDPOINTS`."""
