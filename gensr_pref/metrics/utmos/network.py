"""Network of UTMOS's strong learner, with the names of its published weights.

wav2vec 2.0 base features per frame, concatenated with the embeddings of a data domain and of a
listener; a bidirectional LSTM; a score per frame. The published file holds one domain and one
listener. The phoneme encoder of the paper is not part of it.

    T. Saeki et al., "UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022", Interspeech 2022.
    Names, sizes and constants: utmos22_strong_step7459_v1.pt and tarepan/SpeechMOS v1.2.0.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torchaudio.models import wav2vec2_base

from gensr_pref.metrics.wav2vec2 import fill_weights, read_tensors

EXPECTED = "UTMOS22's strong learner (225 tensors, as in utmos22_strong_step7459_v1.pt)"

FEATURES = 768
EMBEDDING = 128  # of the domain, and of the listener
HIDDEN = 512  # per direction
PROJECTED = 2048

# Patterns that turn the file's names, which are fairseq's, into torchaudio's; in this order.
_RENAMED = (
    (r"^wav2vec2\.layer_norm\.", "wav2vec2.encoder.feature_projection.layer_norm."),
    (r"^wav2vec2\.post_extract_proj\.", "wav2vec2.encoder.feature_projection.projection."),
    (r"(conv_layers\.\d)\.0\.", r"\1.conv."),
    (r"(conv_layers\.\d)\.2\.", r"\1.layer_norm."),
    (r"\.encoder\.(layers|layer_norm|pos_conv)\.", r".encoder.transformer.\1."),
    (r"\.pos_conv\.0\.", ".pos_conv_embed.conv."),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


class StrongLearner(nn.Module):
    """Network from waveforms at 16 kHz to mean opinion scores."""

    def __init__(self) -> None:
        super().__init__()
        self.wav2vec2 = wav2vec2_base()
        self.domain_emb = nn.Parameter(torch.empty(1, EMBEDDING))
        self.judge_emb = nn.Parameter(torch.empty(1, EMBEDDING))
        self.blstm = nn.LSTM(FEATURES + 2 * EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.projection = nn.Sequential(
            nn.Linear(2 * HIDDEN, PROJECTED), nn.ReLU(), nn.Linear(PROJECTED, 1)
        )

    def forward(self, waves: Tensor) -> Tensor:
        """Return the MOS [B] of waveforms [B, T]: 2 * (mean of the frames' scores) + 3."""
        frames, _ = self.wav2vec2(waves)
        given = torch.cat([self.domain_emb, self.judge_emb], dim=1).expand(*frames.shape[:2], -1)
        context, _ = self.blstm(torch.cat([frames, given], dim=2))
        scores: Tensor = self.projection(context).squeeze(2)
        return 2 * scores.mean(dim=1) + 3


def load_strong_learner(path: Path, device: str) -> StrongLearner:
    """Load the network from a file onto a device.

    Raises:
        InputError: the file does not belong to the strong learner.
    """
    tensors = read_tensors(path)
    tensors.pop("wav2vec2.mask_emb", None)  # masks frames in pre-training; not used here
    with torch.device("meta"):
        network = StrongLearner()
    renamed = {_torchaudio_name(name): tensor for name, tensor in tensors.items()}
    fill_weights(network, renamed, path, EXPECTED)
    return network.to(device)


def _torchaudio_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
