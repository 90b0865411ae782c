"""Measures what the pairs of a run are worth: agreement, yield by chance, bias, learnability."""
