"""Creation of a speaker encoder by its name, without loading it.

An encoder is named as ``resemblyzer``, whose package holds its weights; by the path of an ``.onnx``
file; or as ``module:Class``, a `gensr_pref.metrics.speaker.encoder.SpeakerEncoder` of your own.
"""

from __future__ import annotations

from pathlib import Path

from gensr_pref.config import plugins
from gensr_pref.metrics.speaker.encoder import SpeakerEncoder
from gensr_pref.metrics.speaker.onnx import OnnxEncoder


def make_encoder(encoder: str, checkpoint: str | Path | None = None) -> SpeakerEncoder:
    """Make an encoder by its name, path or ``module:Class``, without loading it.

    Raises:
        UnknownPluginError: no encoder has that name; the message lists those that exist.
        ConfigError, ValueError: the encoder takes no checkpoint.
        MissingWeightsError: the file does not exist.
    """
    if encoder.endswith(".onnx"):
        return _from_file(encoder, checkpoint)
    options = {} if checkpoint is None else {"checkpoint": checkpoint}
    made: SpeakerEncoder = plugins.create("speaker encoder", encoder, options, "encoder")
    return made


def _from_file(path: str, checkpoint: str | Path | None) -> SpeakerEncoder:
    if checkpoint is not None:
        raise ValueError(
            f"checkpoint is {str(checkpoint)!r}, but the encoder {path!r} holds its own weights; "
            "remove the option"
        )
    return OnnxEncoder(path)
