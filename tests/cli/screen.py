"""What stands on a terminal after some output: just as much of ECMA-48 as rich's live display uses."""

import io
import re

_SEQUENCE = re.compile(r"\x1b\[(\??)(\d*)(?:;\d+)*([A-Za-z])")


class Window(io.StringIO):
    """A terminal that is never read from. It has no size of its own: $COLUMNS says it."""

    def isatty(self) -> bool:
        return True


class Screen:
    """Lines without their colours; text that is wider than the screen goes on in the next line, as terminals have it."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.seen: set[str] = set()
        """Every line that stood there at some time."""

    def feed(self, text: str) -> "Screen":
        position = 0
        while position < len(text):
            found = _SEQUENCE.match(text, position)
            if found:
                self._sequence(found[2], found[3])
                position = found.end()
            else:
                self._sign(text[position])
                position += 1
        return self

    def _sequence(self, number: str, letter: str) -> None:
        match letter:
            case "A":
                self.row = max(0, self.row - int(number or 1))
            case "K":
                # 2: the whole line; 0: what is right of the cursor.
                line = self.lines[self.row]
                self.lines[self.row] = "" if number == "2" else line[: self.column]
            case "m" | "h" | "l":
                pass
            case _:
                raise AssertionError(f"a sequence that a screen has no use for: {letter}")

    def _sign(self, sign: str) -> None:
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self._down()
        else:
            if self.column == self.columns:
                self._down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + sign + line[self.column + 1 :]
            self.column += 1
            self.seen.add(self.lines[self.row])

    def _down(self) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.lines):
            self.lines.append("")

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")
