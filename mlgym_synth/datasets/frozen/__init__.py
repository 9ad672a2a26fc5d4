"""Text that is frozen into the package, so that it does not change with Python's version. See LICENSES.md."""
