"""`python -m millet` is `millet`."""

from millet.cli import main

main()
