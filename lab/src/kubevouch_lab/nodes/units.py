"""A node's service manager: starts, watches and stops what units say, keeps transient timers, tells the journal.

It is what nodes of a kubeadm cluster need of systemd: services (simple, oneshot) with drop-ins, ExecStartPre, conditions and
Restart=; transient services and timers; multi-user.target. Timers and transient units go with a reboot, files stay.
"""

import asyncio
import contextlib
import fnmatch
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.durations import seconds
from kubevouch_lab.nodes import journal as log
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.journal import Journal
from kubevouch_lab.nodes.processes import Processes
from kubevouch_lab.nodes.services import BuiltinProgram, Service, StartFailure, Timer
from kubevouch_lab.nodes.shell import Ran
from kubevouch_lab.nodes.unit_files import UNITS, UnitFile, read_unit

MULTI_USER: Final = "multi-user.target"
KUBELET: Final = "kubelet.service"
Run = Callable[[Sequence[str], dict[str, str]], Awaitable[Ran]]
"""Runs a program of the node to its end."""


class JobFailed(Exception):
    """A start that did not succeed; the text is systemctl's."""


class Units:
    """All units of one node. Every public method may be called at any time; jobs of one unit follow one another."""

    def __init__(  # noqa: PLR0917 - the parts of one node
        self,
        files: NodeFiles,
        journal: Journal,
        clock: Clock,
        processes: Processes,
        played: dict[str, BuiltinProgram],
        run: Run,
    ) -> None:
        self.services: dict[str, Service] = {}
        self.timers: dict[str, Timer] = {}
        self._files = files
        self._journal = journal
        self._clock = clock
        self._processes = processes
        self._played = played
        self._run = run
        self._loaded: dict[str, UnitFile] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def unit(self, name: str) -> UnitFile | None:
        """The unit as it was when it was first loaded, or at the last daemon-reload."""
        if name not in self._loaded:
            found = read_unit(self._files, name)
            if found is None:
                return None
            self._loaded[name] = found
        return self._loaded[name]

    def needs_reload(self, name: str) -> bool:
        """Whether its files are other ones by now, or were written since they were read (unit_need_daemon_reload)."""
        loaded = self._loaded_unit(name)
        found = read_unit(self._files, name)
        return loaded is not None and found is not None and found.sources != loaded.sources

    def _loaded_unit(self, name: str) -> UnitFile | None:
        service = self.services.get(name)
        if service is not None:
            return None if service.transient else service.unit
        return self._loaded.get(name)

    def reload(self) -> None:
        """daemon-reload: unit files are read anew."""
        self._loaded.clear()
        for service in self.services.values():
            found = None if service.transient else read_unit(self._files, service.name)
            if found is not None:
                service.unit = found

    async def boot(self) -> None:
        """Starts the kubelet, then all that multi-user.target wants."""
        self.reload()
        with contextlib.suppress(JobFailed):
            await self.start(KUBELET)
        await self.reach(MULTI_USER)

    async def reach(self, target: str) -> None:
        """Starts what a target wants and is not active; does not wait for it."""
        folder = self._files.path(f"{UNITS}/{target}.wants")
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        for name in names:
            if name != KUBELET or self._active(name) == "inactive":
                self._spawn(self._quietly(name))

    async def power_off(self) -> None:
        """Everything stops without a word, as a machine does whose plug is pulled."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for played in self._played.values():
            await played.stop()
        for service in self.services.values():
            self._processes.end(service.pid)
        self.services.clear()
        self.timers.clear()
        self._loaded.clear()

    async def start(self, name: str) -> None:
        """Raises JobFailed."""
        async with self._lock(name):
            await self._start(self._service(name))

    async def stop(self, name: str) -> None:
        """Of a service or a timer; one that does not run is no error."""
        timer = self.timers.pop(name, None)
        if timer is not None:
            if timer.task is not None:
                timer.task.cancel()
            self._say(name, f"{name}: Deactivated successfully.")
            self._say(name, f"Stopped {name} - {timer.description}.", log.STOPPED)
            return
        async with self._lock(name):
            if name in self.services:
                await self._stop(self.services[name])

    async def restart(self, name: str) -> None:
        """Stop, then start. Raises JobFailed."""
        async with self._lock(name):
            service = self._service(name)
            await self._stop(service)
            service.restarts = 0
            await self._start(service)

    async def kill(self, name: str, signal: str) -> None:
        """The main process dies of a signal; what then happens is the unit's to say."""
        service = self.services.get(name)
        played = self._played.get(name)
        if service is None or played is None or service.active != "active":
            return
        await played.stop()
        self._processes.end(service.pid)
        said = f"{name}: Main process exited, code=killed, status={_SIGNALS.get(signal, signal)}"
        self._say(name, said, log.EXITED)
        self._say(name, f"{name}: Failed with result 'signal'.", log.FAILED)
        service.result = "signal"
        self._after_failure(service)

    def reset_failed(self, name: str) -> None:
        """Forgets a failure and the count of restarts."""
        service = self.services.get(name)
        if service is not None:
            service.restarts, service.result = 0, "success"
            if service.active == "failed":
                service.active, service.sub = "inactive", "dead"

    def run_later(
        self,
        name: str,
        after: float,
        argv: Sequence[str],
        description: str,
        properties: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """A transient timer <name>.timer with its service. Raises JobFailed if there is one of that name.

        properties: of the service (Restart, RestartSec).
        """
        timer_name, service_name = f"{name}.timer", f"{name}.service"
        for each in (timer_name, service_name):
            if each in self.timers or self._active(each) != "inactive" or self._on_disk(each):
                raise JobFailed(
                    f"Failed to start transient timer unit: Unit {each} was already loaded or has a fragment file."
                )
        service = self._transient(service_name, argv, description, properties)
        timer = Timer(timer_name, service, self._processes.uptime + after, description)
        self.timers[timer_name] = timer
        self._say(timer_name, f"Started {timer_name} - {description}.", log.STARTED)
        timer.task = self._spawn(self._fire(timer, after))

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Units that are loaded, by name or pattern; a plain name stays whether it is loaded or not."""
        loaded = (*self.services, *self.timers)
        found: list[str] = []
        for pattern in patterns:
            if any(char in pattern for char in "*?["):
                found += fnmatch.filter(loaded, pattern)
            else:
                found.append(full_name(pattern))
        return found

    def _active(self, name: str) -> str:
        service = self.services.get(name)
        return "inactive" if service is None else service.active

    def _on_disk(self, name: str) -> bool:
        return read_unit(self._files, name) is not None

    def _service(self, name: str) -> Service:
        known = self.services.get(name)
        if known is not None:
            return known
        unit = self.unit(name)
        if unit is None:
            raise JobFailed(f"Failed to start {name}: Unit {name} not found.")
        return self.services.setdefault(name, Service(unit))

    def _transient(
        self,
        name: str,
        argv: Sequence[str],
        description: str,
        properties: Mapping[str, str] = MappingProxyType({}),
    ) -> Service:
        said = {f"Service.{key}": (value,) for key, value in properties.items()}
        unit = UnitFile(name, {"Unit.Description": (description or " ".join(argv),), **said})
        service = Service(unit, transient=True, argv=tuple(argv))
        self.services[name] = service
        return service

    async def _start(self, service: Service) -> None:
        if service.active == "active":
            return
        self._unwind(service)
        condition = service.unit.last("Unit.ConditionPathExists")
        if condition and not self._holds(condition):
            text = f"{service.title} was skipped because of an unmet condition check"
            self._say(service.name, f"{text} (ConditionPathExists={condition}).")
            return
        oneshot = service.unit.last("Service.Type") == "oneshot"
        service.active, service.sub = "activating", "start"
        environment = service.unit.environment(self._files)
        for words in service.unit.commands("ExecStartPre", environment):
            if not await self._before(service, words, environment):
                self._failed(service, "exit-code")
                raise JobFailed(_job_failed(service.name))
        if oneshot:
            self._say(service.name, f"Starting {service.title}...", log.STARTING)
        argv = service.argv or next(
            iter(service.unit.commands("ExecStart", environment)), ("/bin/true",)
        )
        self._began(service)
        if service.name in self._played:
            await self._play(service, argv)
            return
        service.pid = self._processes.number()
        task = self._spawn(self._follow(service, argv, environment, oneshot=oneshot))
        service.task = task
        if oneshot:
            await asyncio.wait({task})
            return
        service.active, service.sub = "active", "running"
        self._say(service.name, f"Started {service.title}.", log.STARTED)

    async def _play(self, service: Service, argv: Sequence[str]) -> None:
        played = self._played[service.name]
        played.exited = lambda: self._ended(service)
        service.pid = played.pid = self._processes.begin(service.name, argv)
        service.active, service.sub = "active", "running"
        self._say(service.name, f"Started {service.title}.", log.STARTED)
        try:
            await played.start(argv)
        except StartFailure:
            # A simple service counts as started once its process is there: the job is no failure.
            self._ended(service)

    def _ended(self, service: Service) -> None:
        """Its process is gone, with an error."""
        self._processes.end(service.pid)
        said = f"{service.name}: Main process exited, code=exited, status=1/FAILURE"
        self._say(service.name, said, log.EXITED)
        self._failed(service, "exit-code")

    async def _before(
        self, service: Service, words: Sequence[str], environment: dict[str, str]
    ) -> bool:
        ran = await self._run([words[0].lstrip("-"), *words[1:]], environment)
        self._tell(service.name, words[0], ran)
        if ran.returncode == 0 or words[0].startswith("-"):
            return True
        said = f"{service.name}: Control process exited, code=exited, status={ran.returncode}"
        self._say(service.name, f"{said}/FAILURE")
        return False

    async def _follow(
        self, service: Service, argv: Sequence[str], environment: dict[str, str], *, oneshot: bool
    ) -> None:
        ran = await self._run(argv, environment)
        self._tell(service.name, argv[0], ran)
        service.pid = 0
        if ran.returncode != 0:
            said = f"{service.name}: Main process exited, code=exited, status={ran.returncode}"
            self._say(service.name, f"{said}/FAILURE", log.EXITED)
            self._failed(service, "exit-code")
            return
        service.active, service.sub = "inactive", "dead"
        self._say(service.name, f"{service.name}: Deactivated successfully.")
        if oneshot:
            self._say(service.name, f"Finished {service.title}.", log.STARTED)
        if service.transient:
            self.services.pop(service.name, None)

    async def _stop(self, service: Service) -> None:
        self._unwind(service)
        if service.active in {"inactive", "failed"}:
            return
        running = service.active == "active"
        self._say(service.name, f"Stopping {service.title}...", log.STOPPING)
        played = self._played.get(service.name)
        if played is not None:
            await played.stop()
        self._processes.end(service.pid)
        service.active, service.sub, service.pid, service.result = "inactive", "dead", 0, "success"
        if running:
            self._say(service.name, f"{service.name}: Deactivated successfully.")
        self._say(service.name, f"Stopped {service.title}.", log.STOPPED)

    def _failed(self, service: Service, result: str) -> None:
        service.result, service.pid = result, 0
        self._say(service.name, f"{service.name}: Failed with result '{result}'.", log.FAILED)
        self._after_failure(service)

    def _after_failure(self, service: Service) -> None:
        service.pid = 0
        if service.unit.last("Service.Restart") in {"always", "on-failure"}:
            service.active, service.sub = "activating", "auto-restart"
            pause = service.unit.last("Service.RestartSec", "100ms")
            wait = float(pause) if pause.replace(".", "", 1).isdigit() else seconds(pause)
            service.task = self._spawn(self._again(service, wait))
        else:
            service.active, service.sub = "failed", "failed"

    async def _again(self, service: Service, wait: float) -> None:
        await self._clock.sleep(wait)
        async with self._lock(service.name):
            if service.sub != "auto-restart":
                return
            service.restarts += 1
            said = (
                f"{service.name}: Scheduled restart job, restart counter is at {service.restarts}."
            )
            self._say(service.name, said)
            service.task = None
            with contextlib.suppress(JobFailed):
                await self._start(service)

    def _unwind(self, service: Service) -> None:
        """A restart that is scheduled is no longer; the state says so."""
        if service.sub == "auto-restart":
            if service.task is not None:
                service.task.cancel()
            service.active, service.sub, service.task = "inactive", "dead", None

    def _began(self, service: Service) -> None:
        service.started = max(1, int(self._processes.uptime * 1e6))
        service.started_at = self._clock.now().timestamp()

    async def _fire(self, timer: Timer, after: float) -> None:
        await self._clock.sleep(after)
        self.timers.pop(timer.name, None)
        self._say(timer.name, f"{timer.name}: Deactivated successfully.")
        async with self._lock(timer.service.name):
            with contextlib.suppress(JobFailed):
                await self._start(timer.service)

    async def _quietly(self, name: str) -> None:
        with contextlib.suppress(JobFailed):
            await self.start(name)

    def _holds(self, condition: str) -> bool:
        wanted = not condition.startswith("!")
        return self._files.exists(condition.lstrip("!|")) == wanted

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _say(self, unit: str, text: str, message_id: str = "") -> None:
        if message_id:
            self._journal.add(unit, text, MESSAGE_ID=message_id)
        else:
            self._journal.add(unit, text)

    def _tell(self, unit: str, program: str, ran: Ran) -> None:
        name = program.lstrip("-").rsplit("/", 1)[-1]
        for line in (ran.stdout + ran.stderr).decode(errors="replace").splitlines():
            self._journal.add(unit, line, identifier=name, pid=self._processes.number())


_SIGNALS: Final = {"KILL": "9/KILL", "SIGKILL": "9/KILL", "TERM": "15/TERM", "SIGTERM": "15/TERM"}


def full_name(name: str) -> str:
    """`kubelet` is kubelet.service."""
    known = (".service", ".timer", ".target", ".socket", ".mount")
    return name if name.endswith(known) else f"{name}.service"


def _job_failed(name: str) -> str:
    return (
        f"Job for {name} failed because the control process exited with error code.\n"
        f'See "systemctl status {name}" and "journalctl -xeu {name}" for details.'
    )
