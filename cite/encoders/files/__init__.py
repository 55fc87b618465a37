"""Where weights are, and how files are read."""
