"""Runs in the image's own Python: gzip with the image's zlib, since another one would give other bytes."""

import gzip
import sys
from pathlib import Path

source, target = map(Path, sys.argv[1:])
target.write_bytes(gzip.compress(source.read_bytes(), compresslevel=9, mtime=0))
