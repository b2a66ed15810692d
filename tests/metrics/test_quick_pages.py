"""The quick reader says what the full reader says, or says nothing. The full reader is judged by metrics-server itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.pages import Page
from kubevouch.metrics.quick_pages import PageForm, quick_page
from tests.metrics.reading import read_page, said

CASES = Path(__file__).parent / "cases"
RECORDED = Path(__file__).parents[1] / "kubelet" / "cases"
REAL = ("kubeadm-1.36-metrics-resource.txt", "kubernetes-1.32-metrics-resource.txt")


def full(body: bytes) -> Page | None:
    try:
        return read_page(body)
    except AnswerError:
        return None


def agree(body: bytes, form: PageForm | None = None) -> bool:
    """Whether the quick reader knew the page; that it then says the same is asserted."""
    quick = quick_page(body, form or PageForm())
    if quick is None:
        return False
    wanted = full(body)
    assert wanted is not None
    assert said(quick[0]) == said(wanted)
    return True


@pytest.mark.parametrize("name", REAL)
def test_pages_of_real_kubelets_are_read_quickly(name: str) -> None:
    page = (RECORDED / name).read_bytes()
    assert agree(page)
    quick = quick_page(page, PageForm())
    assert quick is not None
    read, form = quick
    assert read.containers.present
    # The form of one scrape serves the next, and is replaced.
    assert agree(page.replace(b"1795", b"1796"), form)
    again = quick_page(page, form)
    assert again is not None
    assert said(again[0]) == said(read)
    assert again[1] is form


PAGE = (RECORDED / REAL[1]).read_bytes()
LINES = PAGE.splitlines(keepends=True)
CPU = b'container_cpu_usage_seconds_total{container="one",'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CPU, b'container_cpu_usage_seconds_total{extra="x",container="one",'),
        (CPU, b'container_cpu_usage_seconds_total {container="one",'),
        (CPU, b'\tcontainer_cpu_usage_seconds_total{container="one",'),
        (CPU, b'container_cpu_usage_seconds_total{container="o\\\\ne",'),
        (CPU, b'container_cpu_usage_seconds_total{container="two",'),
        (b"node_cpu_usage_seconds_total ", b"node_cpu_usage_seconds_total  "),
    ],
)
def test_what_is_written_otherwise_is_left_to_the_full_reader(old: bytes, new: bytes) -> None:
    assert old in PAGE
    assert quick_page(PAGE.replace(old, new), PageForm()) is None


@pytest.mark.parametrize(
    "value", [b"NaN", b"+Inf", b"1_0", b"", b"1e", b"0x1", b" 1", b"1 2", b"1" * 40]
)
@pytest.mark.parametrize("family", [CPU, b"container_memory_working_set_bytes{", b"node_cpu_usage"])
def test_numbers_that_are_not_valid_are_left_to_the_full_reader(
    family: bytes, value: bytes
) -> None:
    lines = list(LINES)
    [number, *_] = [index for index, line in enumerate(lines) if line.startswith(family)]
    head, _, at = lines[number].rsplit(b" ", 2)
    lines[number] = b" ".join((head, value, at))
    assert quick_page(b"".join(lines), PageForm()) is None


def test_a_series_that_is_there_again_is_left_to_the_full_reader() -> None:
    [line, *_] = [line for line in LINES if line.startswith(CPU)]
    assert quick_page(PAGE + line, PageForm()) is None
    assert quick_page(PAGE.replace(line, line + line), PageForm()) is None
    assert quick_page(PAGE + b"node_cpu_usage_seconds_total 1 5\n", PageForm()) is None


@pytest.mark.parametrize(
    "page", [b"", b"\n", b"resource_scrape_error 1\n", b"<html>hello</html>\n", b"\0" * 99]
)
def test_what_tells_nothing_of_a_node_is_left_to_the_full_reader(page: bytes) -> None:
    assert quick_page(page, PageForm()) is None


QUICK = quick_page(PAGE, PageForm())
assert QUICK is not None
USED = QUICK[1]
"""What is known of a node whose last page was a good one."""


def test_a_container_that_began_anew_is_seen_at_once() -> None:
    [line, *_] = [line for line in LINES if line.startswith(b"container_start_time_seconds{")]
    new = line.rsplit(b" ", 1)[0] + b" 1.7955580e+09\n"
    assert agree(PAGE.replace(line, new), USED)
    assert quick_page(PAGE.replace(line, b""), USED) is None
    assert quick_page(PAGE + new, USED) is None


@pytest.mark.parametrize("form", [PageForm(), USED])
@pytest.mark.parametrize("family", [CPU, b"container_memory_", b"container_start_"])
@pytest.mark.parametrize(
    "place", [b"container_cpu_", b"container_memory_", b"container_start_", b"node_memory_"]
)
def test_a_line_that_stands_elsewhere_is_left_to_the_full_reader(
    place: bytes, family: bytes, form: PageForm
) -> None:
    [line, *_] = [line for line in LINES if line.startswith(family)]
    before = b"# HELP " + place
    assert PAGE.count(before) == 1
    assert quick_page(PAGE.replace(before, line + before), form) is None


def test_a_start_with_one_digit_more_is_another_start() -> None:
    [*_, line] = [line for line in LINES if line.startswith(b"container_start_time_seconds{")]
    labels = line.rsplit(b" ", 1)[0]
    first = quick_page(PAGE.replace(line, labels + b" 179555805\n"), PageForm())
    assert first is not None
    assert agree(PAGE.replace(line, labels + b" 1795558050\n"), first[1])


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["drop", "twice", "swap", "cut", "spoil"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.sampled_from([b"", b" ", b"\n", b"#", b"{", b"}", b'"', b"\\", b"1", b"-", b"e", b"_", b"\0", b"\xff"]),
    ),
    max_size=6,
)  # fmt: skip


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
    for form in (PageForm(), USED):
        quick = quick_page(body, form)
        # What the full reader refuses may be a line that does not count: here it is not looked at.
        if quick is not None and wanted is not None:
            assert said(quick[0]) == said(wanted)
