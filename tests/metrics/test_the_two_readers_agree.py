"""Page after page, whatever happens on a node: by columns or line by line, what is served is the same."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.errors import AnswerError
from kubevouch.metrics.store import MetricsStore
from tests.metrics.reading import Exact, Quick
from tests.support.clocks import WoundClock

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BASE = 1_795_561_262_000
CPU = "container_cpu_usage_seconds_total"
MEMORY = "container_memory_working_set_bytes"
START = "container_start_time_seconds"
TIMES = ("", "-5", "0", "9223372036855", "99999999999999999999")


@dataclass
class Container:
    """What a kubelet knows of a container. `without`: lines that it does not write this time."""

    pod: str
    name: str
    at: int = BASE
    cpu: float = 1.5
    memory: float = 4096.0
    start: float = BASE / 1000 - 100
    without: set[str] = field(default_factory=set)

    @property
    def labels(self) -> str:
        return f'{{container="{self.name}",namespace="ns",pod="{self.pod}"}}'


_numbers = st.sampled_from(["NaN", "+Inf", "0", "-1", "1e+30", "1.5e-10", "1.0", "17", "1e-400", "1e+400"])  # fmt: skip
# Mostly nothing happens, and mostly to one container.
_change = st.tuples(
    st.integers(0, 7),
    st.sampled_from(
        [
            "again",
            "back",
            "far back",
            "reset",
            "idle",
            "restart",
            "fresh",
            "without",
            "number",
            "gone",
            "new",
            "time",
        ]
    ),
    st.integers(0, 40),
    _numbers,
)
_pages = st.lists(
    st.one_of(
        st.just([]),
        st.lists(_change, max_size=4),
        st.sampled_from(["failed", "twice", "all twice", "shuffled", "broken", "no node"]),
    ),
    min_size=2,
    max_size=8,
)


class Kubelet:
    """A node of four pods of two containers at first."""

    def __init__(self) -> None:
        self.containers = [Container(f"p{n // 2}", "ab"[n % 2]) for n in range(8)]
        self.node = 0
        self.numbers: dict[tuple[int, str], str] = {}
        self.times: dict[int, str] = {}

    def pass_(self) -> None:
        """A quarter of a minute goes by."""
        self.node += 1
        self.numbers, self.times = {}, {}
        for place, each in enumerate(self.containers):
            each.at += 15000 + place * 7
            each.cpu += 0.25 + place / 8
            each.memory += 4096
            each.without = set()

    def change(self, place: int, what: str, amount: int, number: str) -> None:
        if not self.containers:
            return
        place %= len(self.containers)
        each = self.containers[place]
        family = [CPU, MEMORY, START][amount % 3]
        match what:
            case "again":
                each.at -= 15000 + place * 7
            case "back" | "far back":
                each.at -= 15000 + amount * (300 if what == "back" else 2000)
            case "reset":
                each.cpu = 0.125
            case "idle":
                each.cpu = 0.0
            case "restart":
                each.start = each.at / 1000 - amount / 2
            case "fresh":
                each.start = each.at / 1000 - 10 - amount / 8
            case "without":
                each.without = {family}
            case "number":
                self.numbers[place, family] = number
            case _:
                self.change_lines(place, what, amount)

    def change_lines(self, place: int, what: str, amount: int) -> None:
        match what:
            case "time":
                self.times[place] = TIMES[amount % len(TIMES)]
            case "gone":
                del self.containers[place]
            case _:
                at = self.containers[place].at
                self.containers.insert(amount % 9, Container(f"q{self.node}", "c", at))

    def lines(self) -> list[list[str]]:
        """By family."""
        written = []
        for family in (CPU, MEMORY, START):
            own = []
            for place, each in enumerate(self.containers):
                if family in each.without:
                    continue
                value = {CPU: each.cpu, MEMORY: each.memory, START: each.start}[family]
                number = self.numbers.get((place, family), f"{value!r}")
                at = "" if family == START else self.times.get(place, str(each.at))
                own.append(f"{family}{each.labels} {number} {at}".rstrip() + "\n")
            written.append(own)
        now = BASE + 15000 * self.node
        written.append([f"node_cpu_usage_seconds_total {9 + self.node} {now}\n"])
        written.append([f"node_memory_working_set_bytes 4096 {now}\n"])
        return written

    def page(self, oddity: str) -> bytes:
        families = self.lines()
        match oddity:
            case "twice":
                families[0] += families[0][:1]
            case "all twice":
                families[:3] = [own + own[:1] for own in families[:3]]
            case "shuffled":
                families[1].reverse()
            case "broken":
                families[2] = [*families[2], "container_start_time_seconds{ 1\n"]
            case "no node":
                del families[3]
        text = ""
        for own in families:
            if own:
                name = own[0].split("{")[0].split(" ")[0]
                text += f"# HELP {name} [STABLE] It is\n# TYPE {name} gauge\n{''.join(own)}"
        return text.encode()


def scrape(store: MetricsStore, reader: Exact, body: bytes | None) -> object:
    """One scrape; what the observer would hear of it."""
    try:
        if body is not None:
            page = reader.read(body)
            foreign = store.record("n1", page)
            return page.node, set(page.incomplete), foreign
    except AnswerError:
        pass
    store.record_failure("n1")
    return "failed"


@given(_pages)
def test_the_quick_reader_and_the_full_one_serve_the_same(
    pages: list[str | list[tuple[int, str, int, str]]],
) -> None:
    stores = [
        MetricsStore(timedelta(seconds=15), clock=WoundClock(NOW), node_of=lambda _: "n1")
        for _ in range(2)
    ]
    readers = [Exact(), Quick()]
    kubelet = Kubelet()
    for each in pages:
        kubelet.pass_()
        oddity = each if isinstance(each, str) else ""
        for change in each if isinstance(each, list) else ():
            kubelet.change(*change)
        body = None if oddity == "failed" else kubelet.page(oddity)
        heard = [scrape(store, reader, body) for store, reader in zip(stores, readers, strict=True)]
        assert heard[0] == heard[1]
        exact, quick = stores
        assert exact.node("n1") == quick.node("n1")
        assert readers[0].served(exact) == readers[1].served(quick)
        assert exact.container_points == quick.container_points


def test_what_happens_to_a_node_is_mostly_read_by_columns() -> None:
    """Else the two readers would agree because they are one."""
    kubelet, reader = Kubelet(), Quick()
    every = ["again", "back", "reset"]
    reader.read(kubelet.page(""))
    for place, what in enumerate(every):
        kubelet.pass_()
        kubelet.change(place, what, 5, "")
        reader.read(kubelet.page(""))
    assert (reader.quick, reader.full) == (1 + len(every), 1)
