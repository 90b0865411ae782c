"""Allows ``python -m gensr_pref.cli COMMAND``."""

import sys

from gensr_pref.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
