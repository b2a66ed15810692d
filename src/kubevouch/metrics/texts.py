"""Equal texts as one object: a fleet's labels are the same few, over and over.

sys.intern would do, but on some versions of Python (3.12.1) its texts never go again, and whoever may make up labels
fills the memory.
"""

from collections.abc import Mapping
from typing import Final

_MOST: Final = 20_000


class SharedTexts:
    """A table of texts that begins anew when it is full. What is in use stays in use."""

    def __init__(self) -> None:
        self._table: dict[str, str] = {}

    def one(self, text: str) -> str:
        """The text, as the object that was given first."""
        found = self._table.get(text)
        if found is None:
            if len(self._table) >= _MOST:
                self._table.clear()
            found = self._table[text] = text
        return found

    def labels(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        """The labels, of shared texts."""
        return {self.one(name): self.one(text) for name, text in labels.items()}
