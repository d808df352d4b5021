"""Audio analysis: decode, then tempo, key and energy of the same samples, then one summary.

These steps are plain functions without a broker, a store or an event loop, so they fit in one call into a process
pool. What goes before and after them looks up results by the file's content, and keeps them.
"""

from stages.analysis.cache import recall, remember
from stages.analysis.decode import decode
from stages.analysis.energy import energy
from stages.analysis.key import key
from stages.analysis.summary import extent, summarise
from stages.analysis.tempo import tempo

__all__ = ["decode", "energy", "extent", "key", "recall", "remember", "summarise", "tempo"]
