"""Builds a release: `make release` writes dist/ from the tag of this commit, twice, and compares. See docs/internals/release.md."""
