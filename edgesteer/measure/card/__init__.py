"""The parts of the report card: what is asked of the model, the figures, the rules of the verdict.

`edgesteer.measure.evaluate` puts them together. Raw numbers are taken first and kept; every figure
and the verdict are computed from them alone, so that a card can be recomputed from its JSON.
"""
