"""Speaker similarity, and the speaker encoders that it can use."""
