"""Noisy clips to N restored candidates each."""
