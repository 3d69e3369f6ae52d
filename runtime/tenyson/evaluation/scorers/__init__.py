"""Scorers: what an answer earns against the expected one, between 0 and 1.

The length of an answer is not among them, and never earns anything.
"""

from tenyson.evaluation.scorers.choice import SCORERS, make_scorers
from tenyson.evaluation.scorers.scorer import Scorer

__all__ = ["SCORERS", "Scorer", "make_scorers"]
