"""Certificates of Let's Encrypt, requested by NPM for hosts that are there already.

A request takes minutes and runs beside everything else: no route waits for it but the host's own, which NPM takes
offline while it is asked about. NPM runs one certbot at a time, and Let's Encrypt forgives few failures: so one
request at a time, and the next one for a hostname that failed comes late and later.
"""

import asyncio

from controller.clients.npm import rows
from controller.clients.npm.api import NpmApi
from controller.clients.npm.session import Refused, Uncertain
from controller.core.model.errors import HoldfastError
from controller.interfaces import Clock
from controller.telemetry import log

DEADLINE = 900.0
"""Seconds for one request; NPM's own nginx gives up after as many."""
FIRST_PAUSE = 900.0
LONGEST_PAUSE = 86_400.0
"""Seconds until a hostname is tried again after a failure: doubled each time."""


class Issuer:
    """Requests under way, and those that failed."""

    def __init__(self, api: NpmApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._one = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    def due_again(self, hostname: str) -> bool:
        """True when a request was refused, and another one may begin now."""
        return hostname in self._failures and self._due(hostname)

    def under_way(self, hostname: str) -> bool:
        """True while NPM asks for the hostname's certificate and does not serve the hostname."""
        return hostname in self._tasks

    def start(self, hostname: str, number: int, force_tls: bool) -> None:
        """Begin a request for a host that serves, unless it is under way or was refused lately."""
        if self._due(hostname):
            task = asyncio.create_task(self._request(hostname, number, force_tls), name=f"certificate:{hostname}")
            self._tasks[hostname] = task
            task.add_done_callback(lambda _: self._tasks.pop(hostname, None))

    async def close(self) -> None:
        """Wait for nothing: NPM finishes what it has begun."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _due(self, hostname: str) -> bool:
        _, until = self._failures.get(hostname, (0, 0.0))
        return hostname not in self._tasks and self._clock.monotonic() >= until

    async def _request(self, hostname: str, number: int, force_tls: bool) -> None:
        async with self._one:
            try:
                now = await self._api.row(number)
                if now is None or rows.issued(now):
                    return
                log.info("certificate requested", hostname=hostname)
                # One call on an existing host: NPM loses the flags of a host that is made together with it.
                fields = {"certificate_id": "new", "ssl_forced": force_tls}
                row = await self._api.update(number, fields, DEADLINE)
                why = rows.failure(row) or ("" if rows.issued(row) else "it has no certificate afterwards")
            except (Refused, Uncertain) as error:
                why = error.message
            except HoldfastError as error:
                why = error.message
            if not why:
                self._failures.pop(hostname, None)
                log.info("certificate issued", hostname=hostname)
                return
            failures = self._failures.get(hostname, (0, 0.0))[0] + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
            self._failures[hostname] = (failures, self._clock.monotonic() + pause)
            log.warning("certificate refused", hostname=hostname, error=why, again_in=f"{pause:g} s")
