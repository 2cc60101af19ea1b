"""`python -m salvia.cli` is `salvia`."""

import sys

from salvia.cli import main

sys.exit(main())
