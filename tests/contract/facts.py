"""Facts: short tests that run in a simulated world and on the real thing, so that the fakes are no kinder than it is.

A fact is an `async` function of one place. It sets the stage from outside, makes a call through the protocol, and says
what the call returns, raises, leaves behind or emits. `@fact` runs it once on each side that the fixture `side` names:
the simulated one in virtual time, the real one in an event loop of its own.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

P = TypeVar("P")

Body = Callable[..., Coroutine[Any, Any, None]]


class Side(Protocol):
    """Where a fact is played: makes a place for it and runs it to its end."""

    def play(self, body: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Run one fact."""
        ...


def fact(body: Body) -> Callable[..., None]:
    """A test of one fact; its first parameter is the place, further ones come from `parametrize`."""
    given = list(inspect.signature(body).parameters.values())[1:]

    def test(side: Side, **more: Any) -> None:
        side.play(lambda place: body(place, **more))

    test.__name__, test.__doc__, test.__module__ = body.__name__, body.__doc__, body.__module__
    side = inspect.Parameter("side", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([side, *given])  # type: ignore[attr-defined]
    return test


async def raised(call: Awaitable[object]) -> str:
    """Class and reason of the error that a call raises, such as `WorldBad Paused`; empty when it returns."""
    from controller.core.model.errors import HoldfastError

    try:
        await call
    except HoldfastError as error:
        return f"{type(error).__name__} {error.reason}"
    return ""


async def until(true: Callable[[], Awaitable[object]], seconds: float = 30.0, pause: float = 0.05) -> None:
    """Wait until something is so, in the time of the place. Raises `AssertionError` when it does not come."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await true():
        assert loop.time() < end, f"not within {seconds:g} seconds"
        await asyncio.sleep(pause)
