"""Settings of Hypothesis for these tests: a busy machine is no failure.

Does not know the tests.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
