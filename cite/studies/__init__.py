"""Few-shot studies: a grid of methods, shots and seeds, run as far as it is not done, and its report."""
