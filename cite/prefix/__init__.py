"""What frozen stages make of each patch, computed once and kept: see `bank.py` for what is on disk."""
