"""Decisions, one concept per file; each is a pure function of what a pass observed."""
