"""Exports a run as a Hugging Face dataset with a card, and publishes it on the Hub.

Python code imports `export`, `publish`, `load` and their options from `gensr_pref`.

Tests:
    ``publish`` in tests/cli/test_export.py
    ``card_facts``, ``card_sections``, ``figure``, ``licences`` in tests/exporting/test_card.py
    ``markdown``, ``run_facts`` in tests/exporting/test_card.py
    ``candidate_rows``, ``columns``, ``dataset_files`` in tests/exporting/test_dataset.py
    ``export_run``, ``shard_writer``, ``trl``, ``wav_jsonl`` in tests/exporting/test_dataset.py
    ``hub_errors``, ``hub_files`` in tests/exporting/test_hub.py
    ``pseudonym_order``, ``redacted_facts`` in tests/exporting/test_pseudonyms.py
"""
