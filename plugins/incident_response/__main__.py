"""`python -m incident_response …`; the commands are in `cli`."""

from __future__ import annotations

import sys

from .cli.program import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
