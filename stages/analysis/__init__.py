"""Audio analysis: decode, then tempo, key and energy of the same samples, then one summary.

The steps are plain functions without a broker, a store or an event loop, so the whole run fits in one call into a
process pool.
"""

from stages.analysis.decode import decode
from stages.analysis.energy import energy
from stages.analysis.key import key
from stages.analysis.summary import extent, summarise
from stages.analysis.tempo import tempo

__all__ = ["decode", "energy", "extent", "key", "summarise", "tempo"]
