"""Simulated systems as sources: small seeded models in numpy whose parameters are options. One module a system."""
