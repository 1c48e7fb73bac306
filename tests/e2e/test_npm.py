"""The program on a real Engine and the fake Nginx Proxy Manager: what its routes go through is the same everywhere."""

import asyncio
import copy
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.npm.fake import ADMIN, PASSWORD, FakeNpm
from tests.parts.sandbox import Sandbox


class Beside:
    """A fake NPM in a thread of its own."""

    def __init__(self) -> None:
        self.npm = FakeNpm()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def start(self) -> None:
        """Return when it listens."""
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def changes(self) -> list[str]:
        """What was done to hosts since the last look, by NPM's own log."""
        found = [entry["action"] for entry in self.npm.hosts.audit]
        self.npm.hosts.audit.clear()
        return found

    def names(self) -> list[str]:
        """Hostnames of all hosts."""
        return sorted(row["domain_names"][0] for row in self.npm.hosts.rows.values())

    def person(self, hostname: str) -> dict[str, Any]:
        """A host that a person made."""
        hosts, owner = self.npm.hosts, self.npm.users[0]
        base = {"domain_names": [hostname], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9}
        return asyncio.run_coroutine_threadsafe(hosts.create(owner, base, True), self._loop).result(10)

    def edit(self, hostname: str, **fields: Any) -> None:
        """A person's change of a host."""
        hosts, owner = self.npm.hosts, self.npm.users[0]
        number = next(row["id"] for row in hosts.rows.values() if row["domain_names"] == [hostname])
        asyncio.run_coroutine_threadsafe(hosts.update(number, fields, owner, True), self._loop).result(10)

    async def _serve(self) -> None:
        async with self.npm.running():
            self._ready.set()
            await self._stop.wait()


@pytest.fixture
def npm() -> Iterator[Beside]:
    """A fake NPM of this test."""
    found = Beside()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def box(sandbox: Sandbox, npm: Beside) -> Sandbox:
    """A controller that is set up for it."""
    (sandbox.folder / "secrets/npm-password").write_text(PASSWORD)
    login = {"url": npm.npm.url, "identity": ADMIN, "secret": {"file": "npm-password"}}
    sandbox.configure(
        proxy={"kind": "npm", **login, "address": npm.npm.address, "tlsAddress": npm.npm.tls_address, "reach": "ip"}
    )
    sandbox.caddy.address = npm.npm.address
    return sandbox


def applied(box: Sandbox, code: int = 0) -> None:
    """Apply, and check how it ended."""
    done = box.holdfast("apply", "--timeout", "60s")
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"


def test_a_rollout_is_one_write_per_route(box: Sandbox, npm: Beside) -> None:
    """Declared, declared again, replaced, taken back, removed: each hostname that changes is one write, no other is."""
    before = copy.deepcopy(npm.npm.hosts.rows[npm.person("person.test")["id"]])
    for tag in ("1.0", "2.0"):
        box.push(tag)
    box.push("3.0", BROKEN="health")
    npm.changes()

    box.write(box.project("shop", "1.0"))
    applied(box)
    assert npm.changes() == ["created", "created"]
    assert box.get(box.host("shop")).body.startswith("1.0 ")

    applied(box)
    assert npm.changes() == []

    box.write(box.project("shop", "2.0"))
    applied(box)
    assert sorted(npm.changes()) == ["created", "deleted", "updated"]
    assert box.get(box.host("shop")).body.startswith("2.0 ")
    assert box.get(box.host("shop", "2.0")).body.startswith("2.0 ")

    box.write(box.project("shop", "3.0"))
    applied(box, 1)
    assert npm.changes() == []
    assert box.get(box.host("shop")).body.startswith("2.0 ")

    box.write(box.project("shop"))
    applied(box)
    assert npm.names() == ["person.test"]
    assert npm.npm.hosts.rows[before["id"]] == before


def test_a_person_who_edits_our_host_is_put_right_without_a_new_container(box: Sandbox, npm: Beside) -> None:
    """Drift of the target is mended by one write; text of their own stays."""
    box.push("1.0")
    box.write(box.project("shop", "1.0"))
    applied(box)
    before = [c["Id"] for c in box.containers()]
    host = box.host("shop")
    text = next(row["advanced_config"] for row in npm.npm.hosts.rows.values() if row["domain_names"] == [host])
    npm.edit(host, advanced_config="# theirs\n" + text, forward_port=1)
    npm.changes()

    applied(box)

    assert npm.changes() == ["updated"]
    row = next(row for row in npm.npm.hosts.rows.values() if row["domain_names"] == [host])
    assert (row["forward_port"], row["advanced_config"]) == (8080, "# theirs\n" + text)
    assert box.get(host).body.startswith("1.0 ")
    assert [c["Id"] for c in box.containers()] == before


def test_a_hostname_that_a_person_holds_is_reported_and_left_alone(box: Sandbox, npm: Beside) -> None:
    """The rest of the stage goes on; the conflict names the host."""
    theirs = npm.person(box.host("shop"))
    box.push("1.0")
    box.write(box.project("shop", "1.0"))

    done = box.holdfast("apply", "--timeout", "60s")

    assert f"proxy host {theirs['id']} of Nginx Proxy Manager" in done.stdout + done.stderr
    assert box.get(box.host("shop", "1.0")).body.startswith("1.0 ")
    assert npm.npm.hosts.rows[theirs["id"]]["forward_port"] == 9


def test_doctor_tries_the_way_through_npm(box: Sandbox, npm: Beside) -> None:
    """It logs in, looks at the permissions, and asks a route that is there."""
    box.push("1.0")
    box.write(box.project("shop", "1.0"))
    applied(box)

    done = box.holdfast("doctor")

    assert "is an administrator" in done.stdout
    assert f"{box.host('shop')} answers through Nginx Proxy Manager" in done.stdout
