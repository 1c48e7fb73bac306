"""Certificates of Let's Encrypt, requested by NPM for hosts that are there already.

A request takes minutes and runs beside everything else. NPM takes the host offline while it lasts. NPM runs one certbot
at a time, and Let's Encrypt limits failures: so there is one request at a time, and the pause before the next one for a
hostname that failed doubles.
"""

import asyncio

from controller.clients.npm import rows
from controller.clients.npm.api import NpmApi
from controller.clients.npm.session import Refused, Uncertain
from controller.core.model.errors import HoldfastError
from controller.interfaces import Clock
from controller.telemetry import log

DEADLINE_S = 900.0
"""Seconds for one request; NPM's own nginx gives up after as many."""
FIRST_PAUSE_S = 900.0
LONGEST_PAUSE_S = 86_400.0
"""Seconds until a hostname is tried again after a failure: doubled each time, up to the longest."""


class Issuer:
    """Starts requests, and remembers those that are under way and those that failed."""

    def __init__(self, api: NpmApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, tuple[int, float]] = {}

    def is_due_again(self, hostname: str) -> bool:
        """True when a request was refused, and another one may begin now."""
        return hostname in self._failures and self._is_due(hostname)

    def is_under_way(self, hostname: str) -> bool:
        """True while NPM requests the hostname's certificate and does not serve the hostname."""
        return hostname in self._tasks

    def start(self, hostname: str, number: int, force_tls: bool) -> None:
        """Begin a request for a host that serves, unless it is under way or was refused lately."""
        if self._is_due(hostname):
            task = asyncio.create_task(self._request(hostname, number, force_tls), name=f"certificate:{hostname}")
            self._tasks[hostname] = task
            task.add_done_callback(lambda _: self._tasks.pop(hostname, None))

    async def close(self) -> None:
        """Stop waiting; NPM finishes the request that it has begun."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_due(self, hostname: str) -> bool:
        _, until = self._failures.get(hostname, (0, 0.0))
        return hostname not in self._tasks and self._clock.monotonic() >= until

    async def _request(self, hostname: str, number: int, force_tls: bool) -> None:
        async with self._one_at_a_time:
            try:
                current = await self._api.row(number)
                if current is None or rows.has_letsencrypt(current):
                    return
                log.info("certificate requested", hostname=hostname)
                # One call on an existing host: NPM loses the flags of a host that is made together with it.
                fields = {"certificate_id": "new", "ssl_forced": force_tls}
                row = await self._api.update(number, fields, DEADLINE_S)
                why = rows.nginx_error(row) or ("" if rows.has_letsencrypt(row) else "it has no certificate afterwards")
            except (Refused, Uncertain, HoldfastError) as error:
                why = error.message
            if not why:
                self._failures.pop(hostname, None)
                log.info("certificate issued", hostname=hostname)
                return
            failures = self._failures.get(hostname, (0, 0.0))[0] + 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1))
            self._failures[hostname] = (failures, self._clock.monotonic() + pause)
            log.warning("certificate refused", hostname=hostname, error=why, again_in=f"{pause:g} s")
