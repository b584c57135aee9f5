"""Measurement on the quantised model itself: how strong is right, what a vector does and costs.

Knows nothing of how vectors are made, and nothing of terminals.
"""
