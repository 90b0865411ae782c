"""Trains generators on preference pairs: DPO and other objectives, evaluation during training."""
