"""/metrics/resource: every number where it belongs, in whatever order and spelling the format allows."""

import contextlib
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.resource_metrics import (
    LARGEST,
    MOST_OTHER_LINES,
    ContainerSamples,
    PodSamples,
    ResourceMetrics,
    Sample,
)
from tests.metrics.reading import read_resource_metrics


def read(text: str | bytes) -> ResourceMetrics:
    body = text.encode() if isinstance(text, str) else text
    return read_resource_metrics(body, "node n1")


def test_the_page_of_a_real_node(cases: Path) -> None:
    page = read((cases / "kubeadm-1.36-metrics-resource.txt").read_bytes())
    assert page.cpu == Sample(7.898938449, 1795561262664)
    assert page.memory == Sample(121077760.0, 1795561262664)
    assert page.pods == (
        PodSamples(
            "kube-system",
            "metrics-server-647c6bbd5c-jw5s5",
            (
                ContainerSamples(
                    "metrics-server",
                    cpu=Sample(0.414282404, 1795561261540),
                    memory=Sample(14643200.0, 1795561261540),
                    start=Sample(1795561184.7081995),
                ),
            ),
        ),
    )


def test_the_page_of_an_older_node_has_no_swap_and_two_containers(cases: Path) -> None:
    page = read((cases / "kubernetes-1.32-metrics-resource.txt").read_bytes())
    [pod] = page.pods
    assert [container.name for container in pod.containers] == ["one", "two"]
    assert pod.containers[1].memory == Sample(43417600.0, 1795558094061)


def test_an_empty_page_and_one_that_says_it_failed_have_nothing() -> None:
    assert read("") == ResourceMetrics()
    assert read("\n\n  \n# a comment\n#\n") == ResourceMetrics()
    assert read("resource_scrape_error 1\n") == ResourceMetrics()


CPU = "container_cpu_usage_seconds_total"


@pytest.mark.parametrize(
    "line",
    [
        f'{CPU}{{container="c",namespace="n",pod="p"}} 1.5 7',
        f'{CPU}{{pod="p",namespace="n",container="c"}} 1.5 7',
        f'{CPU}{{container="c",namespace="n",pod="p",}} 1.5 7',
        f'{CPU} {{ container = "c" , namespace="n", pod="p" }} 1.5 7 ',
        f'{CPU}{{container="c",extra="x",namespace="n",pod="p"}} 15e-1 7',
        f'\t{CPU}{{container="c",namespace="n",pod="p"}}\t+1.5\t7\t',
        f'{CPU}{{container="c",namespace="n",pod="p"}} 1.5 7\n\n# end',
    ],
)  # fmt: skip
def test_the_format_allows_many_spellings(line: str) -> None:
    [pod] = read(line).pods
    assert pod == PodSamples("n", "p", (ContainerSamples("c", cpu=Sample(1.5, 7)),))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.062510592e+09", 1062510592.0),
        ("0", 0.0),
        ("-3", -3.0),
        (".5", 0.5),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("1e999", math.inf),
        ("5e-324", 5e-324),
    ],
)
def test_numbers_as_go_prints_them(written: str, value: float) -> None:
    assert read(f"node_cpu_usage_seconds_total {written} 7\n").cpu == Sample(value, 7)
    line = f'{CPU}{{container="c",namespace="n",pod="p"}} {written}'
    assert read(line).pods[0].containers[0].cpu == Sample(value)


def test_not_a_number_is_kept_for_the_consumer_to_judge() -> None:
    found = read("node_cpu_usage_seconds_total NaN 7\n").cpu
    assert found is not None
    assert math.isnan(found.value)


def test_moments_may_be_missing_negative_and_as_large_as_64_bits() -> None:
    page = read(
        "node_cpu_usage_seconds_total 1\n"
        "node_memory_working_set_bytes 2 -1\n"
        f'{CPU}{{container="c",namespace="n",pod="p"}} 3 {2**63 - 1}\n'
    )
    assert (page.cpu, page.memory) == (Sample(1), Sample(2, -1))
    assert page.pods[0].containers[0].cpu == Sample(3, 2**63 - 1)


def test_escapes_in_labels() -> None:
    page = read(f'{CPU}{{container="a\\"b",namespace="n\\\\n",pod="x"}} 1\n')
    assert page.pods[0] == PodSamples("n\\n", "x", (ContainerSamples('a"b', cpu=Sample(1)),))


@pytest.mark.parametrize("name", [b"\xff", b"x\\ny", b"\x1b[2J", b"a b", "é".encode()])
def test_a_name_of_other_letters_than_any_has_is_refused(name: bytes) -> None:
    with pytest.raises(AnswerError, match="a name with other letters than any has"):
        read(b'container_cpu_usage_seconds_total{container="c",namespace="n",pod="%b"} 1\n' % name)


def test_families_of_other_kubelets_are_passed_over() -> None:
    page = read(
        'container_fancy_total{container="c",namespace="n",pod="p"} 1 7\n'
        'container_cpu_usage_seconds_total_created{container="c",namespace="n",pod="p"} 1 7\n'
        "scrape_error 1\nnode:cpu 4\nnode_cpu_usage_seconds_total 1 7\n"
    )
    assert page == ResourceMetrics(cpu=Sample(1, 7))


def test_of_a_series_that_is_there_twice_the_later_counts() -> None:
    assert read("node_cpu_usage_seconds_total 1\nnode_cpu_usage_seconds_total 2\n").cpu == Sample(2)


def test_a_container_that_shows_its_start_only() -> None:
    line = 'container_start_time_seconds{container="c",namespace="n",pod="p"} 1.7e+09\n'
    assert read(line).pods[0].containers == (ContainerSamples("c", start=Sample(1.7e9)),)


def test_containers_of_one_name_in_pods_of_one_name_stay_apart() -> None:
    lines = [f'{CPU}{{container="c",namespace="{n}",pod="p"}} {i}' for i, n in enumerate("ab")]
    assert [pod.namespace for pod in read("\n".join(lines)).pods] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        "node_cpu_usage_seconds_total",
        "node_cpu_usage_seconds_total one",
        "node_cpu_usage_seconds_total 1_0",
        "node_cpu_usage_seconds_total 0x10",
        "node_cpu_usage_seconds_total 1 7.5",
        "node_cpu_usage_seconds_total 1 7 8",
        "node_cpu_usage_seconds_total 1\r",
        "node_cpu_usage_seconds_total 1 99999999999999999999",
        "1 2",
        "{} 1",
        "<html>",
        '{"kind":"Status"}',
        f'{CPU}{{container="c",namespace="n",pod="p"}}',
        f'{CPU}{{container="c",namespace="n",pod="p"}} 1+2 7',
        'container_swap_usage_bytes{container="c",namespace="n",pod="p"} 1+2 7',
        'pod_cpu_usage_seconds_total{namespace="n",pod="p"} 1+2 7',
        "resource_scrape_error 1+2",
        f'{CPU}{{container="c" namespace="n",pod="p"}} 1 7',
        f'{CPU}{{container=c}} 1',
        f'{CPU}{{container="c"',
        f'{CPU}{{container="c\\"}} 1',
        f'{CPU}{{,}} 1',
        "x" * 20_000 + " 1",
        "\x1b[2J",
    ],
    ids=lambda line: line[:40],
)  # fmt: skip
def test_a_broken_line_is_named_by_its_number(line: str) -> None:
    with pytest.raises(AnswerError, match=r"^node n1, /metrics/resource, line 3: ") as caught:
        read(f"# first\nnode_swap_usage_bytes 1\n{line}\nnode_swap_usage_bytes 1\n")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_page_without_an_end_is_not_read() -> None:
    with pytest.raises(AnswerError, match="at most"):
        read(b"#" * (LARGEST + 1))


def test_a_flood_of_other_lines_is_not_read_to_its_end() -> None:
    with pytest.raises(
        AnswerError, match=f"line {MOST_OTHER_LINES + 1}: the {MOST_OTHER_LINES + 1}th"
    ):
        read("#\n" * (MOST_OTHER_LINES + 5))


def test_families_of_containers_that_later_kubelets_may_have_are_no_flood() -> None:
    """Three families more are not a tenth of what a node with 4,000 containers writes."""
    lines = "".join(
        f'container_{family}{{container="c{number}",namespace="n",pod="p"}} 1 7\n'
        for family in ("cpu_usage_seconds_total", "swap_limit_bytes", "psi_a", "psi_b")
        for number in range(4_000)
    )
    assert len(read(lines).pods[0].containers) == 4_000


# Any page: written from known numbers in any order and spelling, it is read as those numbers.

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=6)
samples = st.builds(
    Sample,
    st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float),
    st.none() | st.integers(-(10**18), 10**18),
)
containers = st.builds(ContainerSamples, names, samples, samples, samples)
pods = st.builds(
    PodSamples,
    names,
    names,
    st.lists(containers, max_size=2, unique_by=lambda container: container.name).map(tuple),
)
pages = st.builds(
    ResourceMetrics,
    st.none() | samples,
    samples,
    st.lists(pods, max_size=3, unique_by=lambda pod: (pod.namespace, pod.name)).map(tuple),
)


def escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Writer:
    """Writes a page the way the format allows, by the dice of hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.lines: list[str] = []

    def put(self, family: str, sample: Sample | None, **labels: str) -> None:
        if sample is None:
            return
        pairs = [f'{key}="{escaped(value)}"' for key, value in labels.items()]
        if self._data.draw(st.booleans()):
            pairs = self._data.draw(st.permutations(pairs))
        inner = ",".join(pairs)
        value = self._data.draw(st.sampled_from([f"{sample.value!r}", f"{sample.value:.17g}"]))
        at = "" if sample.at_ms is None else f" {sample.at_ms}"
        self.lines.append(f"{family}{f'{{{inner}}}' if inner else ''} {value}{at}")


@given(page=pages, data=st.data())
def test_a_page_is_read_as_the_numbers_it_was_written_from(
    page: ResourceMetrics, data: st.DataObject
) -> None:
    writer = Writer(data)
    for pod in page.pods:
        own = {"namespace": pod.namespace, "pod": pod.name}
        for container in pod.containers:
            labels = {"container": container.name, **own}
            writer.put(CPU, container.cpu, **labels)
            writer.put("container_memory_working_set_bytes", container.memory, **labels)
            writer.put("container_swap_usage_bytes", data.draw(st.none() | samples), **labels)
            writer.put("container_start_time_seconds", container.start, **labels)
        for family in ("cpu_usage_seconds_total", "memory_working_set_bytes", "swap_usage_bytes"):
            writer.put(f"pod_{family}", data.draw(st.none() | samples), **own)
    writer.put("node_cpu_usage_seconds_total", page.cpu)
    writer.put("node_memory_working_set_bytes", page.memory)
    writer.put("node_swap_usage_bytes", data.draw(st.none() | samples))
    writer.put("resource_scrape_error", data.draw(samples))
    # Of a pod without containers nothing counts.
    counted = tuple(pod for pod in page.pods if pod.containers)
    assert read("\n".join(writer.lines) + "\n") == msgspec.structs.replace(page, pods=counted)


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda tail: CPU.encode() + tail))
def test_any_bytes_are_a_page_or_an_answer_error(body: bytes) -> None:
    with contextlib.suppress(AnswerError):
        read(body)


@given(st.text(alphabet='\\"na', max_size=12))
def test_escapes_are_taken_back(name: str) -> None:
    written = name.replace("\\", "\\\\").replace('"', '\\"')
    page = read(f'{CPU}{{container="c",namespace="n",pod="{written}"}} 1\n')
    assert [pod.name for pod in page.pods] == [name]


@pytest.mark.parametrize("labels", [33, 3000])
def test_a_bomb_of_labels_is_refused(labels: int) -> None:
    with pytest.raises(AnswerError, match="more than 32 labels"):
        read("x{" + 'a="",' * labels + "} 1\n")
