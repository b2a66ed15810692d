"""The codes: stable, complete, documented, and declared once."""

import json
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from demo.reference import FOLDER
from kubevouch.diagnose.catalogue import CATALOGUE, Code, CountsIn, FindingDefinition
from kubevouch.diagnose.doctor import DOCTOR, VERIFY
from kubevouch.diagnose.rules import wire
from tests.support.rows import of_each

ROOT = Path(__file__).parents[2]
_PAGES = "import json; from demo.reference import pages; print(json.dumps(pages()))"
ALL = of_each(CATALOGUE.values(), named=lambda each: each.code)


def test_the_pages_of_the_reference_are_as_they_are_made() -> None:
    """`make docs` writes them anew, in a process of its own as here."""
    words = [sys.executable, "-c", _PAGES]
    made = json.loads(subprocess.check_output(words, cwd=ROOT, env={}))
    there = {f"findings/{each.name}" for each in FOLDER.glob("findings/*.md")}
    assert {name for name in made if name.startswith("findings/")} == there
    assert {name: (FOLDER / name).read_text(encoding="utf-8") for name in made} == made


def test_codes_and_names_are_used_once_and_stand_in_order() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE) == [str(code) for code in Code]
    assert len({each.name for each in CATALOGUE.values()}) == len(CATALOGUE)


def test_no_code_is_spelt_outside_the_catalogue() -> None:
    """Other files name the member. (A docstring may begin with a range: `KV1xx`.)"""
    source = ROOT / "src" / "kubevouch"
    spelt = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if path.parent.name != "catalogue" and re.search(r"""(?<!"")["']KV\d""", path.read_text())
    ]
    assert spelt == []


@ALL
def test_a_definition_says_what_is_seen_why_and_what_to_do(definition: FindingDefinition) -> None:
    assert re.fullmatch(r"KV[1-9]\d\d", definition.code)
    assert re.fullmatch(r"[A-Z][A-Za-z]+", definition.name)
    assert definition.see.isascii()
    assert definition.why.isascii()
    assert definition.do.isascii()


@ALL
def test_a_symptom_is_no_symptom_of_itself(definition: FindingDefinition) -> None:
    """Nor of what is a symptom of it: there is always a cause at the end."""
    behind, todo = set[str](), [*definition.symptom_of]
    while todo:
        code = todo.pop()
        if code not in behind:
            behind.add(code)
            todo += CATALOGUE[code].symptom_of
    assert definition.code not in behind


def test_each_cause_has_a_rank_of_its_own() -> None:
    ranks = [each.cause_rank for each in CATALOGUE.values() if each.cause_rank is not None]
    assert len(ranks) == len(set(ranks))


MENDS = ("kubevouch plan", "kubectl patch", "kubectl scale", "ssh {subject} sudo rm")


@ALL
def test_next_mends_it_or_says_what_a_person_has_to_do(definition: FindingDefinition) -> None:
    """A command that only shows something would be the next one for ever."""
    if definition.cause_rank is not None and not definition.by_hand:
        assert " ".join(definition.next).startswith(MENDS)
    assert definition.by_hand == "" or re.fullmatch(r"[A-Z].*\.", definition.by_hand)


@ALL
def test_templates_name_fields_only(definition: FindingDefinition) -> None:
    """No attribute, no index, no conversion: what they are filled with comes from a cluster."""
    for template in (
        definition.cause,
        definition.by_hand,
        *definition.next,
        *definition.elsewhere,
    ):
        for _, field, form, conversion in string.Formatter().parse(template):
            assert field is None or (field.isidentifier() and not form and not conversion)


@pytest.mark.parametrize(("use", "rules"), [(CountsIn.DOCTOR, DOCTOR), (CountsIn.VERIFY, VERIFY)])
def test_a_rule_counts_with_all_its_codes_or_with_none(use: CountsIn, rules: tuple) -> None:  # type: ignore[type-arg]
    """A subset is made of whole rules; every code of the catalogue has a rule."""
    asked = {code for rule in rules for code in rule.codes}
    assert asked == {each.code for each in CATALOGUE.values() if use in each.counts_in}


def test_what_a_port_can_show_is_what_the_gates_of_apply_look_at() -> None:
    """wire.code_of judges a node's port, in doctor and in the gates alike."""
    judged = {*wire._CODES.values(), *(code for _, code in wire._IN_LOG)}
    judged |= {Code.SELF_SIGNED, Code.NO_SERVING_CERTIFICATE, Code.KUBELET_DOES_NOT_ANSWER}
    gates = {each.code for each in CATALOGUE.values() if CountsIn.GATE in each.counts_in}
    assert gates == judged
