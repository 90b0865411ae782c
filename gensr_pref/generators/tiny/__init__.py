"""The shipped small models (autoregressive, masked, flow matching) and their checkpoints.

Tests:
    ``precision`` in tests/aligning/test_align.py
    ``code_head``, ``incremental`` in tests/generators/tiny/test_autoregressive.py
    ``base`` in tests/generators/tiny/test_batches.py
    ``analysis``, ``bands`` in tests/generators/tiny/test_carrier.py
    ``checkpoint_settings``, ``safetensors_header`` in tests/generators/tiny/test_checkpoint.py
    ``encoder`` in tests/generators/tiny/test_flow.py
    ``token_model`` in tests/generators/tiny/test_masked.py
    ``ar_tiny``, ``mgm_tiny`` in tests/generators/tiny/test_token_generator.py
"""
