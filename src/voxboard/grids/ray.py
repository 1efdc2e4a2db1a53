"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxboard.errors import UserError
from voxboard.grids import worker
from voxboard.grids.engine import Resources, Say, WorkerVanished, package
from voxboard.grids.plan import Job, RunSettings
from voxboard.grids.workspace import Workspace

if TYPE_CHECKING:
    from voxboard.grids.job import Result

STORE = 100 * 2**20  # bytes of a cluster of our own for objects: what a job returns is some lines of text


class Ray:
    """A task per job, with the resources that it declares."""

    def __init__(self, resources: Resources, workspace: Workspace, how: RunSettings, at_once: int, say: Say) -> None:
        # Ray reads these as it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if resources.cluster.startswith("ray://") and _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # what `ray start` asks for since 2.60
        self._ray = package("ray", "ray")
        self.at_once = at_once
        self._workspace, self._how = workspace, how
        self._given: set[Any] = set()
        needed = _needed(resources)
        with ExitStack() as stack:
            # The cluster's own messages come on stdout, which is ours for results.
            stack.enter_context(redirect_stdout(sys.stderr))
            stack.callback(self._ray.shutdown)
            self._connect(resources.cluster)
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self._check(resources, nodes, needed, say)
            self.about = f"on a Ray cluster of {len(nodes)} {'nodes' if len(nodes) > 1 else 'node'}"
            self._orders = worker.Orders(workspace)
            stack.callback(lambda: self._orders.close(not self._given))
            stack.callback(self._cancel)
            self._stack = stack.pop_all()
        self._task = self._ray.remote(worker.work).options(max_retries=0, **needed)

    def _connect(self, word: str) -> None:
        own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE} if word == "local" else {}
        try:
            self._ray.init(address=word, log_to_driver=False, logging_level="ERROR", **own)
        except Exception as error:  # Ray raises that class itself, too
            message = next(iter(str(error).splitlines()), type(error).__name__)
            if own:
                raise UserError(f"Ray did not start: {message}", "Try again, or leave --cluster out.") from error
            raise UserError(
                f"There is no Ray cluster at {word}: {message}",
                "Start one with `ray start --head`, bring its ~/.ray/auth_token here, or say --cluster local.",
            ) from error

    def _check(self, resources: Resources, nodes: Sequence[dict[str, float]], needed: Any, say: Say) -> None:
        """Raise `UserError` when no node can ever do a job; a cluster that may grow is waited for."""
        asked = {"CPU": needed["num_cpus"], "GPU": needed["num_gpus"], "memory": needed.get("memory", 0)}
        if any(all(node.get(key, 0) >= amount for key, amount in asked.items()) for node in nodes):
            return
        problem = "No node of the cluster has what a job asks for."
        if resources.cluster == "local":
            raise UserError(problem, "Ask for less with --cpus, --gpus or --memory_gb.")
        say(f"{problem} Waiting for one that has.")

    def submit(self, job: Job, attempt: int) -> Any:
        ticket = self._task.remote(job, self._workspace, self._how, self._orders.order(job, attempt))
        self._given.add(ticket)
        return ticket

    def ended(self, tickets: Sequence[Any]) -> Sequence[Any]:
        return list(self._ray.wait(tickets, timeout=1.0)[0])

    def results(self, ticket: Any) -> list[Result]:
        self._given.discard(ticket)
        try:
            return list(self._ray.get(ticket))
        except self._ray.exceptions.RayTaskError as error:
            # The cell's own failures are among the results: this is a trouble of the node.
            raise WorkerVanished(f"{type(error.cause).__name__}: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            raise WorkerVanished(_words(type(error).__name__)) from error

    def _cancel(self) -> None:
        for ticket in self._given:
            with suppress(Exception):  # the cluster may be what has ended
                self._ray.cancel(ticket, force=True)

    def close(self) -> None:
        self._stack.close()


def _has_token() -> bool:
    """True if this user has a token for a Ray cluster."""
    variables = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    return any(name in os.environ for name in variables) or (Path.home() / ".ray" / "auth_token").is_file()


def _needed(resources: Resources) -> dict[str, float]:
    needed: dict[str, float] = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
    if resources.memory_gb:
        needed["memory"] = int(resources.memory_gb * 1e9)
    return needed


def _words(name: str) -> str:
    """`WorkerCrashedError` → `worker crashed`."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name.removesuffix("Error")).strip()
