"""`python -m tenyson.cli`, where the console command is not installed."""

import sys

from tenyson.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
