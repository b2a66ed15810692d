"""The words in the column POLICY. A file of its own, so that `--help` imports nothing else."""

from kubevouch.outcome import Explained


class PolicyWord(Explained):
    """The policy's decision about a CSR."""

    WOULD_APPROVE = "would approve", "the CSR is pending; every rule passes"
    HOLDS = "holds", "the CSR is pending; why it does not pass"
    PASSES = "passes", "the CSR is already decided; every rule passes"
    WOULD_HOLD = "would hold", "the CSR is already decided; why it does not pass"
    CANNOT_TELL = "cannot tell", "kubevouch could not read what this rule needs"
