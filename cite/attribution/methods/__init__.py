"""How a map is made: one file per method."""
