"""What runs the command lines of the tests loses none of them."""

import asyncio

from tests.cli.program import Program


async def test_programs_that_end_at_one_moment_are_all_heard_of(kubevouch: Program) -> None:
    for _ in range(4):
        answers = await asyncio.gather(*(kubevouch("--version") for _ in range(12)))
        assert {ran.code for ran in answers} == {0}
