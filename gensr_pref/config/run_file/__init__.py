"""The run file: the only list of options, checked before anything runs.

Each section is a model in a module of its own. `load` reads YAML, applies ``key=value`` overrides
and fills in defaults; every complaint names the field, the value and what is allowed.
`docs/run-file.md` is generated from these models.

Tests:
    ``engine``, ``fields``, ``pairing``, ``sources``, ``uses`` in tests/config/run_file/test_run.py
"""

from gensr_pref.config.overrides import override, require_list
from gensr_pref.config.run_file.corpus import Corpus, Validation
from gensr_pref.config.run_file.degrade import (
    BandLimit,
    Clipping,
    Codec,
    Degrade,
    Noise,
    PacketLoss,
    Reverb,
)
from gensr_pref.config.run_file.engine import Engine
from gensr_pref.config.run_file.fields import Model, PositiveRange, Probability, Range, ShareRange
from gensr_pref.config.run_file.pairing import Pairing
from gensr_pref.config.run_file.run import Credit, Run, load
from gensr_pref.config.run_file.sources import (
    Columns,
    FileSource,
    FolderSource,
    HuggingFaceSource,
    ManifestSource,
    PairedSource,
    ParquetSource,
    Source,
)
from gensr_pref.config.run_file.uses import LABEL_PATTERN, GeneratorUse, MetricUse
from gensr_pref.config.settings import dump_fields, load_any, parse, read_yaml

__all__ = [
    "LABEL_PATTERN",
    "BandLimit",
    "Clipping",
    "Codec",
    "Columns",
    "Corpus",
    "Credit",
    "Degrade",
    "Engine",
    "FileSource",
    "FolderSource",
    "GeneratorUse",
    "HuggingFaceSource",
    "ManifestSource",
    "MetricUse",
    "Model",
    "Noise",
    "PacketLoss",
    "PairedSource",
    "Pairing",
    "ParquetSource",
    "PositiveRange",
    "Probability",
    "Range",
    "Reverb",
    "Run",
    "ShareRange",
    "Source",
    "Validation",
    "dump_fields",
    "load",
    "load_any",
    "override",
    "parse",
    "read_yaml",
    "require_list",
]
