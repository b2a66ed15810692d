"""The container image: Debian's Python, the locked wheels and the product, as an OCI archive made without a container engine.

`python -m image build` makes it from `image/lock.json`, `python -m image lock` resolves that lock anew. See docs/internals/image.md.
"""
