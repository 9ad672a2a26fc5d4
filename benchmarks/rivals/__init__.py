"""What `environment.py` measures: limits of the machine, other projects, and ours, all through one interface.

Each subject runs in a process of its own, with the interpreter that has its packages, and times itself there. So these
modules need the standard library alone, and import what they measure when they are asked to.
"""
