"""The quick reader says what the full reader says, or says nothing. The full reader is judged by metrics-server itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.pages import Page
from kubevouch.metrics.quick_pages import PageForm, page_form, quick_page
from tests.metrics.reading import read_page, said
from tests.support.rows import of_each

RECORDED = Path(__file__).parents[1] / "kubelet" / "cases"
REAL = ("kubeadm-1.36-metrics-resource.txt", "kubernetes-1.32-metrics-resource.txt")


def full(body: bytes) -> Page | None:
    try:
        return read_page(body)
    except AnswerError:
        return None


def used(body: bytes) -> PageForm:
    """What is known of a node whose last page was this good one."""
    form = page_form(body, read_page(body))
    assert form is not None
    return form


PAGE = (RECORDED / REAL[1]).read_bytes()
LINES = PAGE.splitlines(keepends=True)
USED = used(PAGE)
FAMILIES = {
    name: next(line for line in LINES if line.startswith(name))
    for name in (
        b"container_cpu_usage",
        b"container_memory_",
        b"container_start_",
        b"node_cpu_",
        b"node_memory_",
    )
}
CPU = FAMILIES[b"container_cpu_usage"]
START = FAMILIES[b"container_start_"]


@pytest.mark.parametrize("name", REAL)
def test_other_numbers_of_a_real_kubelet_are_read_quickly(name: str) -> None:
    page = (RECORDED / name).read_bytes()
    form, later = used(page), page
    for line in page.splitlines():
        if line.startswith((b"container_cpu", b"node_memory")):
            head, _, at = line.rsplit(b" ", 2)
            later = later.replace(line, b"%b 7.5e+03 %d" % (head, int(at) + 15_000))
    for each in (page, later):
        found = quick_page(each, form)
        assert found is not None
        assert found.containers.layout is form.layout
        assert said(found) == said(read_page(each))
    assert later != page


def with_value(line: bytes, value: bytes) -> bytes:
    head, _, at = line.rsplit(b" ", 2)
    return b" ".join((head, value, at))


UNUSUAL = {
    "another label": PAGE.replace(CPU, CPU.replace(b"{", b'{extra="x",')),
    "another container": PAGE.replace(CPU, CPU.replace(b'"one"', b'"two"')),
    "a blank": PAGE.replace(CPU, b"\t" + CPU),
    "two blanks": PAGE.replace(b"\nnode_cpu_usage_seconds_total ", b"\nnode_cpu_usage_seconds_total  "),
    "a series again at the end": PAGE + CPU,
    "a series again": PAGE.replace(CPU, CPU + CPU),
    "a node's series again": PAGE + FAMILIES[b"node_cpu_"],
    "no start": PAGE.replace(START, b""),
    "another start": PAGE.replace(START, START.replace(b"1.79", b"1.78")),
    "a start with a digit more": PAGE.replace(START, START.replace(b"e+09", b"e+099")),
    "a start at the end": PAGE + START,
    "nothing": b"",
    "no family": b"resource_scrape_error 1\n",
    "zeros": b"\0" * 99,
    **{
        f"{family.decode()} {value.decode()}": PAGE.replace(line, with_value(line, value))
        for family, line in FAMILIES.items()
        if family != b"container_start_"
        for value in (b"NaN", b"+Inf", b"1_0", b"", b"1e", b"0x1", b" 1", b"1 2", b"1" * 80)
    },
    **{
        f"{family.decode()} before {place.decode()}": PAGE.replace(place, line + place)
        for family, line in FAMILIES.items()
        if family.startswith(b"container_")
        for place in (b"# HELP container_cpu_", b"# HELP container_memory_", b"# HELP container_start_", b"# HELP node_memory_")
    },
}  # fmt: skip


@of_each(UNUSUAL)
def test_what_is_written_otherwise_is_left_to_the_full_reader(what: str) -> None:
    assert UNUSUAL[what] != PAGE
    assert quick_page(UNUSUAL[what], USED) is None


CONTAINERS_OWN = (b"container_cpu_", b"container_memory_")

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["drop", "twice", "swap", "cut", "spoil"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.sampled_from([b"", b" ", b"\n", b"#", b"{", b"}", b'"', b"\\", b"1", b"-", b"e", b"_", b"\0", b"\xff"]),
    ),
    max_size=6,
)  # fmt: skip


def test_a_page_with_a_start_and_nothing_else_of_a_pod_has_no_form() -> None:
    """Otherwise only the first such page would tell that the pod is incomplete."""
    body = b"".join(line for line in LINES if not line.startswith(CONTAINERS_OWN))
    found = read_page(body)
    assert found.incomplete
    assert page_form(body, found) is None


@given(CHANGES)
def test_any_spoilt_page_is_read_the_same_or_left(
    changes: list[tuple[str, int, int, bytes]],
) -> None:
    lines = [line for line in LINES if b"pod_" not in line and b"swap" not in line]
    for change, first, second, what in changes:
        index, other = first % len(lines), second % len(lines)
        line = lines[index]
        match change:
            case "drop":
                lines[index] = b""
            case "twice":
                lines.insert(other, line)
            case "swap":
                lines[index], lines[other] = lines[other], line
            case "cut":
                lines[index] = line[: second % (len(line) + 1)]
            case _:
                at = second % (len(line) + 1)
                lines[index] = line[:at] + what + line[at + 1 :]
    body = b"".join(lines)
    wanted = full(body)
    if wanted is None:
        # What the full reader refuses may be a line that does not count: the quick one does not look at it.
        return
    for form in (USED, page_form(body, wanted)):
        quick = quick_page(body, form)
        if quick is not None:
            assert said(quick) == said(wanted)
