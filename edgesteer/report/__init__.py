"""Reports: one self-contained HTML page, and the pictures that go into it.

Knows nothing of models, vectors or what was measured.
"""
