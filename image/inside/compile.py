"""Runs in the image's own Python: compiles sources below a folder, named on standard input, each with its path in the image.

The bytecode is marked as never to be compared with its source (PEP 552), so that no time of a file is in it. One
process compiles all files in the order given, since what is interned before decides some bytes of a later file.
"""

import py_compile
import sys

for line in sys.stdin.read().splitlines():
    source, shown, compiled = line.split("\t")
    py_compile.compile(
        source,
        cfile=compiled,
        dfile=shown,
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
