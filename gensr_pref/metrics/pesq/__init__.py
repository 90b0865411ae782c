"""PESQ, narrow band and wide band."""
