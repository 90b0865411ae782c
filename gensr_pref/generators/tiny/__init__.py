"""The shipped small models (autoregressive, masked, flow matching) and their checkpoints."""
