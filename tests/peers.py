"""SpeechBrain's parts that tests compare with: the one place that imports it.

It registers stand-ins for modules that may not be installed (k2 …), which raise when anybody looks at them; hypothesis
looks at every module. They are taken out again.
"""

from __future__ import annotations

import sys

from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.lobes.models.ResNet import ResNet
from speechbrain.lobes.models.Xvector import Xvector
from speechbrain.nnet.pooling import StatisticsPooling
from speechbrain.processing.features import InputNormalization
from speechbrain.processing.PLDA_LDA import Ndx, StatObject_SB, fast_PLDA_scoring
from speechbrain.utils.importutils import LazyModule
from speechbrain.utils.metric_stats import EER, ErrorRateStats, minDCF

__all__ = [
    "ECAPA_TDNN",
    "EER",
    "ErrorRateStats",
    "Fbank",
    "InputNormalization",
    "Ndx",
    "ResNet",
    "StatObject_SB",
    "StatisticsPooling",
    "Xvector",
    "fast_PLDA_scoring",
    "minDCF",
]

for name, module in list(sys.modules.items()):
    if isinstance(module, LazyModule):
        del sys.modules[name]
