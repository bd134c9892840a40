"""`python -m cpner` is the command `cpner`."""

from cpner.cli import main

main(prog_name="python -m cpner")
