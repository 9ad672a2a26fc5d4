"""Data of tasks: sources, transforms, a salted split, and a store that gives the same bytes for the same recipe."""
