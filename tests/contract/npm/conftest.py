"""An NPM, fake or real, and one controller on it."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.npm.site import Npm, Site, kinds, opened, site


@pytest.fixture(params=kinds())
async def npm(request: pytest.FixtureRequest) -> AsyncIterator[Npm]:
    """The fake, and a real one where there is one."""
    async with opened(request.param) as npm:
        yield npm


@pytest.fixture
async def home(npm: Npm) -> AsyncIterator[Site]:
    """One controller on it."""
    async with site(npm) as home:
        yield home


@pytest.fixture
async def fake() -> AsyncIterator[Npm]:
    """The fake, for what a real one cannot be made to do from outside."""
    async with opened("fake") as npm:
        yield npm


@pytest.fixture
async def certifying(fake: Npm) -> AsyncIterator[Site]:
    """One controller on the fake whose user may request certificates."""
    async with site(fake, await fake.bot(certificates="manage")) as home:
        yield home
