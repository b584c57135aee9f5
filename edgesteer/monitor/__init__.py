"""Monitors: what the residual stream says about a trait while the model talks.

Knows nothing of terminals, nor of how vectors are made.
"""
