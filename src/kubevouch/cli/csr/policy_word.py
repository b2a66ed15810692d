"""The words in the column POLICY. They have their own file, so that `--help` imports nothing else."""

from kubevouch.outcome import Explained


class PolicyWord(Explained):
    """The policy's decision about a CSR."""

    WOULD_APPROVE = "would approve", "pending; every rule passes"
    HOLDS = "holds", "pending; a rule does not pass (the reason follows)"
    PASSES = "passes", "already decided; every rule passes"
    WOULD_HOLD = "would hold", "already decided; a rule does not pass (the reason follows)"
    CANNOT_TELL = "cannot tell", "kubevouch could not read what a rule needs"
