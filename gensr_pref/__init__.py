"""gensr_pref: preference datasets for generative speech restoration.

Noisy clips in; N restored candidates each; a panel of metrics scores them; a pair exists where one
candidate wins on every voting metric; the pairs are audited, published and trained on.
"""

from importlib.metadata import version

__version__ = version("gensr_pref")
