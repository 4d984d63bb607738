"""torchmeta.toy: regression tasks made of functions."""

from episodes.torchmeta.toy import helpers
from episodes.torchmeta.toy.harmonic import Harmonic
from episodes.torchmeta.toy.sinusoid import Sinusoid
from episodes.torchmeta.toy.sinusoid_line import SinusoidAndLine

__all__ = ["Harmonic", "Sinusoid", "SinusoidAndLine", "helpers"]
