"""Objections that a referee would make, each a function: facts → plain sentences, or none."""
