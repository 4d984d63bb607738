"""`python -m metabench` is `metabench`."""

from metabench.cli.main import main

main()
