"""Word and character error rates, and the recognisers that they can use."""
