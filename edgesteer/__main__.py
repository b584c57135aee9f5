"""`python -m edgesteer` is the `edgesteer` command.

Knows nothing else.
"""

from edgesteer.cli import main

main()
