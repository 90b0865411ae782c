"""Tables that a user hands in: their rows, their cells, the codes and names in them."""
