"""The command line: one file a verb. click and the terminal live here and nowhere else."""


def main() -> None:
    """The `kubevouch` and `kubectl-vouch` programs."""
    raise SystemExit(0)
