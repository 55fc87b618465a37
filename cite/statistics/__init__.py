"""How far the numbers of a few-shot study hold: intervals, paired tests, and their measured coverage."""
