"""Runs the program for `python -m kubevouch`."""

from kubevouch.cli import main

if __name__ == "__main__":
    main()
