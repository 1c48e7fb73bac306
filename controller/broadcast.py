"""Events of a running controller for any number of listeners, each with a bounded queue of its own.

Publishing never waits: a listener that is too slow loses its oldest events and is told how many.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from controller.core.model.desired import StageKey
from controller.core.model.status import StageStatus, Transition

QUEUE_MAX_EVENTS = 1000


@dataclass(frozen=True)
class StatusReported:
    """A pass reported the status of a stage."""

    status: StageStatus


@dataclass(frozen=True)
class TransitionRecorded:
    """A pass recorded a step of a rollout, or a notice."""

    stage: StageKey
    transition: Transition


@dataclass(frozen=True)
class EventsLost:
    """The listener was too slow: so many events were dropped before the next one."""

    count: int


Event = StatusReported | TransitionRecorded | EventsLost


class Subscription:
    """The events of one listener from its subscription on. An async iterator; it ends when the subscription does."""

    def __init__(self, max_events: int) -> None:
        self._events: deque[StatusReported | TransitionRecorded] = deque()
        self._max_events = max_events
        self._lost = 0
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, event: StatusReported | TransitionRecorded) -> None:
        """Queue an event; drops the oldest one when the queue is full."""
        if len(self._events) == self._max_events:
            self._events.popleft()
            self._lost += 1
        self._events.append(event)
        self._changed.set()

    def close(self) -> None:
        """Queue nothing more; the iterator ends after what is queued."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return EventsLost(lost)
        return self._events.popleft()


class Broadcast:
    """Gives each event to all who are subscribed when it is published."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def publish(self, event: StatusReported | TransitionRecorded) -> None:
        """Queue an event for every listener."""
        for subscription in self._subscriptions:
            subscription.put(event)

    @contextmanager
    def subscribe(self, max_events: int) -> Iterator[Subscription]:
        """Listen until the context ends; what is queued then can still be read."""
        subscription = Subscription(max_events)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.close()
