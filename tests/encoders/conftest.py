"""Puts this folder on the path: `layouts` serves the tests of all its rooms."""
