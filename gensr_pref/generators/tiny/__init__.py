"""The shipped small models (autoregressive, masked, flow matching) and their checkpoints.

Tests: ``analysis`` in tests/generators/tiny/test_carrier.py.
Tests: ``ar_tiny`` in tests/generators/tiny/test_token_generator.py.
Tests: ``bands`` in tests/generators/tiny/test_carrier.py.
Tests: ``base`` in tests/generators/tiny/test_batches.py.
Tests: ``checkpoint_settings`` in tests/generators/tiny/test_checkpoint.py.
Tests: ``code_head`` in tests/generators/tiny/test_autoregressive.py.
Tests: ``encoder`` in tests/generators/tiny/test_flow.py.
Tests: ``incremental`` in tests/generators/tiny/test_autoregressive.py.
Tests: ``mgm_tiny`` in tests/generators/tiny/test_token_generator.py.
Tests: ``precision`` in tests/aligning/test_train.py.
Tests: ``safetensors_header`` in tests/generators/tiny/test_checkpoint.py.
Tests: ``token_model`` in tests/generators/tiny/test_masked.py.
"""
