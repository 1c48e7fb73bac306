"""Delivers notifications: a signed JSON POST per notification and target, at least once, never in the way of a rollout.

Each target has a worker of its own, so that a slow one delays no other. A receiver checks
`Holdfast-Signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY` with the target's secret, and drops
what it gets twice by `Holdfast-Delivery`, which stays the same at every attempt. Any 2xx answer is a receipt, its body
is not read; redirects are not followed. Messages name a target by its place in the settings: a URL may hold
credentials.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from controller.clients.state.outbox import Notification
from controller.clients.state.store import SqliteStore
from controller.core.model import backoff
from controller.core.model.desired import SecretRef
from controller.core.model.errors import WorldBad
from controller.interfaces import Clock, Secrets
from controller.telemetry import log

TIMEOUT_S = 5.0
"""For one attempt as a whole."""
GIVE_UP_AFTER_S = 86400.0
"""A notification that is older is not tried again."""
IDLE_S = 3600.0
"""Between two looks into an empty outbox; a record wakes the notifier at once."""
SHUTDOWN_S = 3.0
"""A stop leaves this long for what is due."""


class Target(Protocol):
    """One entry of `notifications` in the settings."""

    @property
    def url(self) -> str | SecretRef:
        """Where to; a reference is resolved at each attempt."""

    @property
    def secret(self) -> SecretRef | None:
        """What to sign with; None: unsigned."""

    @property
    def events(self) -> Sequence[str]:
        """Which of success, failure and rollback."""


class Notifier:
    """Delivers what `store` records to `targets` until it is told to stop; `controller_id` names the sender."""

    def __init__(
        self, store: SqliteStore, targets: Sequence[Target], secrets: Secrets, clock: Clock, controller_id: str = ""
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._agent = f"holdfast/{controller_id}" if controller_id else "holdfast"
        self._since = clock.now()
        self._targets = dict(zip(keys(targets), targets, strict=True))
        self._wakes = {key: asyncio.Event() for key in self._targets}
        self._stopping = asyncio.Event()
        store.listen(self._wake)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then for a moment what is due; the rest waits for the next start.

        Returns at once when there are no targets.
        """
        self._stopping.clear()
        failures = 0
        while not await self._set_targets() and not stop.is_set():
            failures += 1
            await self._pause(stop, backoff.delay(failures, "aim"))
        if not self._targets:
            return
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, headers={"User-Agent": self._agent}
        ) as http:
            workers = [
                asyncio.create_task(self._deliver(http, f"notifications[{index}]", key, target))
                for index, (key, target) in enumerate(self._targets.items())
            ]
            ended = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait([ended, *workers], return_when=asyncio.FIRST_COMPLETED)
                self._stopping.set()
                self._wake()
                await asyncio.wait(workers, timeout=SHUTDOWN_S)
            finally:
                for task in (ended, *workers):
                    task.cancel()
                results = await asyncio.gather(*workers, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _set_targets(self) -> bool:
        try:
            await self._store.set_targets({key: target.events for key, target in self._targets.items()}, self._since)
        except WorldBad as error:
            log.warning("notifications wait", reason=error.reason, cause=error.message)
            return False
        return True

    def _wake(self) -> None:
        for event in self._wakes.values():
            event.set()

    async def _deliver(self, http: httpx.AsyncClient, name: str, key: str, target: Target) -> None:
        """Deliver to one target what is due soonest, for ever; after a failure the target is left alone for a while."""
        wake = self._wakes[key]
        failures = 0
        while True:
            wake.clear()
            try:
                due = await self._store.outbox(key, 1)
                now = self._clock.now()
                left = due[0].next_at - now if due else IDLE_S
                if not due or 0 < left <= backoff.CAP_S:  # beyond that the clock was set back
                    if self._stopping.is_set():
                        return
                    await self._pause(wake, left)
                    continue
                failures = 0 if await self._attempt(http, name, key, target, due[0]) else failures + 1
            except WorldBad as error:
                log.warning("notifications wait", target=name, reason=error.reason, cause=error.message)
                failures += 1
            if failures and self._stopping.is_set():
                return
            if failures:
                await self._pause(self._stopping, backoff.delay(failures, key))

    async def _attempt(
        self, http: httpx.AsyncClient, name: str, key: str, target: Target, notification: Notification
    ) -> bool:
        """Send once and record the outcome; True when it was received."""
        failure = await self._send(http, target, notification)
        now = self._clock.now()
        if not failure:
            await self._store.mark_delivered(notification.id, key)
            return True
        failures = notification.failures + 1
        if now - notification.time > GIVE_UP_AFTER_S:
            log.error("notification given up", target=name, delivery=notification.id, attempts=failures, cause=failure)
            await self._store.mark_delivered(notification.id, key)
        else:
            log.warning("notification failed", target=name, delivery=notification.id, attempts=failures, cause=failure)
            await self._store.postpone(notification.id, key, now + backoff.delay(failures, notification.id), failures)
        return False

    async def _send(self, http: httpx.AsyncClient, target: Target, notification: Notification) -> str:
        """One POST; empty when the target has it, else what went wrong, without the URL."""
        try:
            refs = [ref for ref in (target.url, target.secret) if isinstance(ref, SecretRef)]
            values = await self._secrets.resolve(refs)
        except WorldBad as error:
            return error.message
        url = _address(target.url if isinstance(target.url, str) else values[target.url])
        if url is None:
            return "the URL is not of the form http(s)://HOST"
        body = notification.body.encode()
        headers = {"Content-Type": "application/json", "Holdfast-Delivery": notification.id}
        if target.secret is not None:
            headers["Holdfast-Signature"] = signature(values[target.secret], int(self._clock.now()), body)
        try:
            async with asyncio.timeout(TIMEOUT_S), http.stream("POST", url, content=body, headers=headers) as reply:
                return "" if reply.is_success else f"status {reply.status_code}"
        except (httpx.TimeoutException, TimeoutError):
            return f"no answer within {TIMEOUT_S:g} s"
        except httpx.ConnectError as error:
            return f"cannot connect: {error}"
        except (httpx.HTTPError, ValueError) as error:
            # The error's own text may hold the URL.
            return type(error).__name__

    async def _pause(self, wake: asyncio.Event, seconds: float) -> None:
        """Wait until woken, at most so long."""
        tasks = [asyncio.create_task(wake.wait()), asyncio.create_task(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _address(text: str) -> httpx.URL | None:
    """The URL, or None when nothing can be sent there."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
    usable = url.scheme in ("http", "https") and url.host and (url.port is None or 0 < url.port < 1 << 16)
    return url if usable else None


def signature(secret: str, now: int, body: bytes) -> str:
    """Value of `Holdfast-Signature`: the time in Unix seconds, and HMAC-SHA256 of `{time}.{body}`."""
    digest = hmac.new(secret.encode(), str(now).encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


def keys(targets: Sequence[Target]) -> list[str]:
    """A name for each target that stays the same while its address does, and holds no credentials."""
    names: list[str] = []
    for target in targets:
        if isinstance(target.url, str):
            parts = urlsplit(target.url)
            place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        else:
            place = f"{target.url.kind}:{target.url.name}"
        key = hashlib.sha256(place.encode()).hexdigest()[:16]
        names.append(f"{key}-{sum(name.startswith(key) for name in names)}")
    return names
