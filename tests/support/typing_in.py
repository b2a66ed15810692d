"""`python -m tests.support.typing_in TEXT WORD COMMAND...`: runs the command at a terminal of its own.

Once that text has come, the word is typed in there. What the terminal got is printed; the command's exit status is handed on.
"""

import os
import pty
import sys


def main(text: str, word: str, *command: str) -> int:
    """The exit status of the command."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    found, typed = b"", False
    while data := _read(terminal):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        found += data
        if not typed and text.encode() in found:
            os.write(terminal, f"{word}\n".encode())
            typed = True
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _read(terminal: int) -> bytes:
    """What comes next; nothing once the other end is closed: Linux then says EIO."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
