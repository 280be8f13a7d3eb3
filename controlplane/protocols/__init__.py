"""Foreign protocols: each a translation onto the gateway's calls, none with rules of its own."""
