"""Raw speech to noisy clips with what belongs to them."""
