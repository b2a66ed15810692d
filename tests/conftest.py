"""For all tests of the product, and the e2e tests."""

from tests.support.lab_blocks import blocks_of_this_process

__all__ = ["blocks_of_this_process"]
