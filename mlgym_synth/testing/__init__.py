"""Local servers that speak the protocols of remote ones, so that whole runs can be rehearsed without key or network."""
