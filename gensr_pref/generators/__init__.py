"""Generators: noisy clips in, N restored candidates each out."""
