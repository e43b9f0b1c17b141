"""Run the command line by `python -m rmodels`."""

import sys

from rmodels.cli import main

if __name__ == "__main__":
    sys.exit(main())
