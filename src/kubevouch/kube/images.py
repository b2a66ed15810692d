"""References to container images."""

import re
from typing import Final

_BY_DIGEST: Final = re.compile(
    r"[a-z0-9][\w.-]*(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)*(?::[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64}",
    re.ASCII,
)


def names_an_image(reference: str) -> bool:
    """Whether it names one image, by its digest."""
    return _BY_DIGEST.fullmatch(reference) is not None


def digest_of(reference: str) -> str:
    """The digest in a reference; the whole of it where it has none."""
    return reference.rpartition("@")[2]
