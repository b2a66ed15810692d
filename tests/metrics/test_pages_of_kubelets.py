"""/metrics/resource: every number where it belongs, in whatever order and spelling the format allows."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.columns import LAST_NS, NEVER, Owner, Point
from kubevouch.metrics.pages import LARGEST, MOST_LINES
from tests.metrics.reading import read_page, said

CASES = Path(__file__).parents[1] / "kubelet" / "cases"
CPU, MEMORY, START = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_start_time_seconds",
)
NODE_CPU, NODE_MEMORY = "node_cpu_usage_seconds_total", "node_memory_working_set_bytes"
OWNER = (("n", "p"), "c")
LABELS = '{container="c",namespace="n",pod="p"}'
HELD = f"{MEMORY}{LABELS} 2 7\n"


def measured(line: str) -> Point | None:
    """What a container comes to whose memory is known, by the line about its CPU."""
    return said(read_page(f"{line}\n{HELD}"))[1].get(OWNER)


def test_the_page_of_a_real_node() -> None:
    node, points, incomplete = said(
        read_page((CASES / "kubeadm-1.36-metrics-resource.txt").read_bytes())
    )
    assert node == Point(1795561262664_000_000, 7898938449, 121077760)
    assert points == {
        (("kube-system", "metrics-server-647c6bbd5c-jw5s5"), "metrics-server"): Point(
            1795561261540_000_000, 414282404, 14643200, int(1795561184.7081995 * 1e9)
        )
    }
    assert not incomplete


def test_the_page_of_an_older_node_has_no_swap_and_two_containers() -> None:
    points = said(read_page((CASES / "kubernetes-1.32-metrics-resource.txt").read_bytes()))[1]
    assert [(name, point.memory) for (_, name), point in points.items()][1] == ("two", 43417600)


@pytest.mark.parametrize(
    "text", ["", "\n\n# a comment\n#\n", "resource_scrape_error 1\n", "node:cpu 4\n"]
)
def test_a_page_that_says_nothing_has_nothing(text: str) -> None:
    assert said(read_page(text)) == (None, {}, set())


@pytest.mark.parametrize(
    "line",
    [
        f'{CPU}{{container="c",namespace="n",pod="p"}} 1.5 7',
        f'{CPU}{{pod="p",namespace="n",container="c"}} 1.5 7',
        f'{CPU}{{container="c",namespace="n",pod="p",}} 1.5 7',
        f'{CPU}{{container="c",extra="x",namespace="n",pod="p"}} 15e-1 7',
        f'{CPU}{{container="c",namespace="n",pod="p",extra="a\\"b{{}}"}} +1.5 7',
        f'{CPU}{{container="c",namespace="n",pod="p"}} 1.5 7\n\n# end',
        f'{CPU}{{container="c",namespace="n",pod="p"}} 9\n{CPU}{{container="c",namespace="n",pod="p"}} 1.5',
    ],
)  # fmt: skip
def test_the_format_allows_many_spellings_and_the_later_line_counts(line: str) -> None:
    assert measured(line) == Point(7_000_000, 1_500_000_000, 2)


NUMBERS = {
    "1.062510592e+09": 1062510592 * 10**9,
    ".5": 500_000_000,
    "1e-9": 1,
    **dict.fromkeys(["0", "-3", "+Inf", "-Inf", "NaN", "1e999", "1e300", "5e-324"]),
}


@pytest.mark.parametrize("written", NUMBERS)
def test_numbers_are_as_go_prints_them_and_what_is_no_counter_is_no_sample(
    written: str,
) -> None:
    wanted = NUMBERS[written]
    found = measured(f"{CPU}{LABELS} {written}")
    assert (found and found.cpu_ns) == wanted
    node = read_page(f"{NODE_CPU} {written} 7\n{NODE_MEMORY} 1 7\n").node
    assert (node and node.cpu_ns) == wanted


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1e300", "0", "1e-300"])
def test_memory_that_cannot_be_is_no_sample(value: str) -> None:
    assert read_page(f"{NODE_CPU} 1 7\n{NODE_MEMORY} {value} 7\n").node is None


@pytest.mark.parametrize("at", [-1, 2**62, -(2**62), LAST_NS // 10**6 + 1])
def test_a_moment_that_no_reader_could_be_told_is_no_sample(at: int) -> None:
    assert read_page(f"{NODE_CPU} 1 {at}\n{NODE_MEMORY} 1 {at}\n").node is None


def test_a_sample_without_a_time_gets_that_of_the_request() -> None:
    page = read_page(f"{NODE_CPU} 1\n{NODE_MEMORY} 2\n", 5)
    assert page.node == Point(5_000_000, 1_000_000_000, 2, NEVER)


@pytest.mark.parametrize("line", [f"{CPU}{LABELS} 0 7", f"{START}{LABELS} 1.7e+09", ""])
def test_a_pod_of_which_a_container_lacks_a_sample_is_left_out(line: str) -> None:
    other = HELD.replace('"c"', '"d"')
    whole = f"{other}{other.replace(MEMORY, CPU)}"
    assert said(read_page(f"{whole}{HELD}{line}\n"))[1:] == ({}, {("n", "p")})


def test_what_does_not_count_is_passed_over() -> None:
    text = (
        f"container_fancy_total{LABELS} 1 7\n{CPU}_created{LABELS} 1 7\nscrape_error 1\n"
        f"{NODE_CPU}{LABELS} 1 7\n{CPU} 1 7\n{NODE_CPU} 1 7\n{NODE_MEMORY} 1 7\n"
    )
    assert said(read_page(text)) == (Point(7_000_000, 10**9, 1), {}, set())


BROKEN = [
    NODE_CPU, f"{NODE_CPU} one", f"{NODE_CPU} 1_0", f"{NODE_CPU} 0x10", f"{NODE_CPU} 1 7.5",
    f"{NODE_CPU} 1 7 8", f"{NODE_CPU} 1\r", f"{NODE_CPU} 1 99999999999999999999", "1 2", "{} 1", "<html>",
    '{"kind":"Status"}', f"{CPU}{LABELS}", f"{CPU}{LABELS} 1+2 7",
    f'{CPU}{{container="c" namespace="n",pod="p"}} 1 7', f"{CPU}{{container=c}} 1", f'{CPU}{{container="c"',
    f'{CPU}{{container="c\\"}} 1', f"{CPU}{{,}} 1", "\x1b[2J", "  ", f"{NODE_CPU} Infinity",
    f"{NODE_CPU}  1", f"\t{NODE_CPU} 1", f'{CPU}{{ container="c",namespace="n",pod="p"}} 1 7', "x" * 200_000,
]  # fmt: skip


@pytest.mark.parametrize("line", BROKEN, ids=lambda line: line[:40])
def test_a_broken_line_is_named_by_its_number(line: str) -> None:
    with pytest.raises(AnswerError, match=r"^node n1, /metrics/resource, line 3: ") as caught:
        read_page(f"# first\nnode_swap_usage_bytes 1\n{line}\nnode_swap_usage_bytes 1\n")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


FLOODS = {
    "at most": "#" * (LARGEST + 1),
    f"more than {MOST_LINES} lines": "#\n" * (MOST_LINES + 5),
    "line 1: longer than 65536 bytes": "x{" + 'a="",' * 30_000 + "} 1\n",
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_is_not_read_to_its_end(what: str) -> None:
    with pytest.raises(AnswerError, match=what):
        read_page(FLOODS[what])


def test_families_of_containers_that_later_kubelets_may_have_are_no_flood() -> None:
    """Three families more are not a tenth of what a node with 4,000 containers writes."""
    lines = "".join(
        f'container_{family}{{container="c{number}",namespace="n",pod="p"}} 1 7\n'
        for family in ("cpu_usage_seconds_total", "memory_working_set_bytes", "swap", "psi_a")
        for number in range(4_000)
    )
    assert len(said(read_page(lines))[1]) == 4_000


# Any page: written from known numbers in any order and spelling, it is read as those numbers.

names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'),
    min_size=1,
    max_size=6,
)
numbers = st.tuples(
    st.floats(1e-6, 1e6), st.integers(1, 2**53), st.integers(0, 10**12), st.none() | st.integers(0, 10**9)
)  # fmt: skip


@given(
    st.dictionaries(st.tuples(st.tuples(names, names), names), numbers, max_size=6),
    st.none() | numbers,
    st.data(),
)
def test_a_page_is_read_as_the_numbers_it_was_written_from(
    containers: dict[Owner, tuple[float, int, int, int | None]],
    node: tuple[float, int, int, int | None] | None,
    data: st.DataObject,
) -> None:
    lines = ["resource_scrape_error 0", "node_swap_usage_bytes 1 7"]

    def put(family: str, value: float, at: int | None, **labels: str) -> None:
        pairs = data.draw(st.permutations([f'{key}="{text}"' for key, text in labels.items()]))
        written = data.draw(st.sampled_from([f"{value!r}", f"{value:.17g}"]))
        inner = f"{{{','.join(pairs)}}}" if pairs else ""
        lines.append(f"{family}{inner} {written}{'' if at is None else f' {at}'}")

    for ((namespace, pod), container), (cpu, memory, at, start) in containers.items():
        own = {"container": container, "namespace": namespace, "pod": pod}
        put(CPU, cpu, at, **own)
        put(MEMORY, memory, at, **own)
        put("container_swap_usage_bytes", memory, at, **own)
        put("pod_cpu_usage_seconds_total", cpu, at, namespace=namespace, pod=pod)
        if start is not None:
            put(START, start, None, **own)
    if node is not None:
        put(NODE_CPU, node[0], node[2])
        put(NODE_MEMORY, node[1], node[2])

    def point(cpu: float, memory: int, at: int, start: int | None) -> Point:
        return Point(at * 10**6, int(cpu * 1e9), memory, NEVER if start is None else start * 10**9)

    page = "\n".join(data.draw(st.permutations(lines))) + "\n"
    assert said(read_page(page)) == (
        node and point(*node[:3], None),
        {owner: point(*each) for owner, each in containers.items()},
        set(),
    )


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda tail: CPU.encode() + tail))
def test_any_bytes_are_a_page_or_an_answer_error(body: bytes) -> None:
    with contextlib.suppress(AnswerError):
        read_page(body)
