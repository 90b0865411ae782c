"""From a run directory to a dataset that others find, play and load."""
