"""`python -m spicetrio`."""

import sys

from spicetrio.cli import main

if __name__ == "__main__":
    sys.exit(main())
