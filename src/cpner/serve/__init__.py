"""An HTTP server for the domains of a store; needs the extra `server`."""
