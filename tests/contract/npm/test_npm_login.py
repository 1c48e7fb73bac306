"""Logging in to Nginx Proxy Manager: fact 1, that it never says 401, and pitfall 7, on the fake and on a real one.

Every test fails when what handles it is switched off.
"""

import pytest

from controller.core.model.errors import WorldBad
from tests.contract.npm.site import Npm, Site, route, site


async def test_fact_1_an_expired_token_costs_one_login(home: Site) -> None:
    """NPM says 400 to it: the call is made again with a new token, reading and writing."""
    wanted = route(home.npm.name(), 9)
    for change in (False, True):
        await home.proxy.read()
        home.proxy.session._token = await _short_token(home)
        await home.npm.pass_seconds(2.1)
        home.tap.calls.clear()
        if change:
            await home.set(wanted)
        else:
            await home.proxy.read()
        assert [call.method for call in home.tap.calls if call.path == "/tokens"] == ["POST"]
    assert (await home.proxy.read()).routes[wanted.hostname] == wanted


async def test_fact_1_a_token_that_npm_does_not_know_costs_one_login(home: Site) -> None:
    """NPM says 500 to it, as to much else: who we are tells the difference."""
    await home.proxy.read()
    wanted = route(home.npm.name(), 9)
    for _ in range(2):
        token = home.proxy.session._token
        home.proxy.session._token = token[:-6] + ("aaaaaa" if not token.endswith("aaaaaa") else "bbbbbb")
        home.tap.calls.clear()
        await home.set(wanted)
        assert [call.method for call in home.tap.calls if call.path == "/tokens"] == ["POST"]
        assert len(await home.npm.rows()) == 1


async def test_fact_1_the_token_is_renewed_ahead_of_its_end(home: Site) -> None:
    """One login for ever: a token is exchanged while it is still good, without the password."""
    await home.proxy.read()
    home.clock.passed += 86_400 * 0.8
    home.tap.calls.clear()
    await home.proxy.read()
    await home.proxy.read()
    assert [call.method for call in home.tap.calls if call.path == "/tokens"] == ["GET"]


async def test_fact_1_a_missing_permission_is_named(home: Site) -> None:
    """NPM says 404 to a list and 500 to a change; the person reads which permission to give."""
    wanted = route(home.npm.name(), 9)
    for level in ("hidden", "view"):
        async with site(home.npm, await home.npm.bot(proxy_hosts=level)) as weak:
            if level == "hidden":
                with pytest.raises(WorldBad, match="permission for proxy hosts is hidden; set it to manage") as failed:
                    await weak.proxy.read()
                assert failed.value.reason == "ProxyForbidden"
            with pytest.raises(WorldBad, match=f"proxy hosts is {level}; set it to manage") as failed:
                await weak.set(wanted)
            assert failed.value.reason == "ProxyForbidden"
    assert await home.npm.rows() == {}


async def test_pitfall_7_a_second_factor_is_asked_of_nobody(fake: Npm) -> None:
    """A login that wants a code ends with what to do instead."""
    bot = await fake.bot(visibility="user")
    fake.server.users[-1]["two_factor"] = True
    async with site(fake, bot) as home:
        with pytest.raises(WorldBad, match="second factor: give Holdfast a user without one") as failed:
            await home.proxy.read()
        assert failed.value.reason == "ProxyLogin"


async def test_pitfall_7_a_wrong_password_is_said_and_not_hammered(home: Site) -> None:
    """One try, then a pause; the right one works without a restart."""
    right, home.secret = home.secret, "wrong"
    for _ in range(3):
        with pytest.raises(WorldBad, match="Invalid email or password") as failed:
            await home.proxy.read()
        assert failed.value.reason == "ProxyLogin"
        assert "wrong" not in failed.value.message.replace("wrong password", "")
    assert len([call for call in home.tap.calls if call.path == "/tokens"]) == 1
    home.secret = right
    home.clock.passed += 30
    await home.proxy.read()


async def test_pitfall_7_later_releases_say_403(fake: Npm) -> None:
    """They mean the same by it."""
    fake.server.newer = True
    async with site(fake, await fake.bot(proxy_hosts="view")) as weak:
        await weak.proxy.read()
        with pytest.raises(WorldBad, match="proxy hosts is view; set it to manage"):
            await weak.set(route(fake.name(), 9))


async def _short_token(home: Site) -> str:
    """A token of the bot's that ends in a second."""
    session = home.proxy.session
    reply = await home.npm.client.get(
        f"{home.npm.url}/api/tokens?expiry=1s", headers={"Authorization": f"Bearer {session._token}"}
    )
    return str(reply.json()["token"])
