"""Webhooks against a real HTTP server that can refuse, redirect, hang up and never answer."""

import asyncio
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.clients.notify import Notifier, keys, signature
from controller.clients.state.store import SqliteStore
from controller.core.model.backoff import CAP_S
from controller.core.model.desired import SecretRef
from controller.core.model.errors import WorldBad
from controller.core.model.memory import StageMemory
from controller.core.model.observed import SecretsSeen
from controller.core.model.status import Transition

KEY = SecretRef("file", "hook-key")
ALL = ("success", "failure", "rollback")


class Receiver:
    """A server that answers by a list of behaviours, then with 200, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.behaviours: list[str] = []
        self.always = "200"
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                behaviour = outer.behaviours.pop(0) if outer.behaviours else outer.always
                if behaviour == "silent":
                    outer.released.wait(20)
                if behaviour in ("silent", "hang up"):
                    self.close_connection = True
                    return
                self.send_response(int(behaviour))
                self.send_header("Location", "/stolen")
                self.send_header("Content-Length", "1000000000")
                self.end_headers()
                self.close_connection = True

            do_GET = do_POST

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def bodies(self) -> list[dict[str, object]]:
        """What was told, in order."""
        return [json.loads(body) for _, _, body in self.got]

    @property
    def ids(self) -> list[str]:
        """Delivery ids, in order."""
        return [headers["Holdfast-Delivery"] for _, headers, _ in self.got]

    def close(self) -> None:
        """Stop."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class QuickClock:
    """Real time that skips the waits between attempts; those for news last until they are called off."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self.skipped

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic() + self.skipped

    async def sleep(self, seconds: float) -> None:
        """Skip the wait, or wait for ever."""
        if seconds > CAP_S:
            await asyncio.Event().wait()
        await asyncio.sleep(0.002)
        self.skipped += seconds


@dataclass
class Values:
    """Secrets in a dict."""

    values: dict[SecretRef, str] = field(default_factory=lambda: {KEY: "k3y"})

    async def look(self, refs: Sequence[SecretRef]) -> SecretsSeen:
        """Nothing asks for it here."""
        raise NotImplementedError

    async def resolve(self, refs: Sequence[SecretRef]) -> Mapping[SecretRef, str]:
        """The values, or the error of real secrets."""
        if missing := [ref.name for ref in refs if ref not in self.values]:
            raise WorldBad(f"secret file:{missing[0]} was not found", reason="SecretMissing")
        return {ref: self.values[ref] for ref in refs}


@dataclass(frozen=True)
class To:
    """A target."""

    url: str | SecretRef
    secret: SecretRef | None = KEY
    events: tuple[str, ...] = ALL


class Post:
    """One store with one notifier at a time, as in one controller."""

    def __init__(self, folder: Path, clock: QuickClock) -> None:
        self.folder = folder
        self.clock = clock
        self.secrets = Values()
        self.store = SqliteStore.open(folder, 1e9, 1000)
        self._count = 0

    def start(self, *targets: To) -> tuple["asyncio.Task[None]", asyncio.Event]:
        """Run a notifier."""
        stop = asyncio.Event()
        notifier = Notifier(self.store, targets, self.secrets, self.clock, "home-1")
        return asyncio.create_task(notifier.run(stop)), stop

    def restart(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = SqliteStore.open(self.folder, 1e9, 1000)

    async def tell(self, *kinds: str) -> None:
        """Record ends of rollouts."""
        for kind in kinds:
            self._count += 1
            told = Transition(
                rollout=f"r{self._count}", tag="1.0", kind=kind, step="gate", reason="R", message="Größe",
                rollout_kind="deploy", revision="v1",
            )  # fmt: skip
            await self.store.record("shop/dev", StageMemory(), [told], self.clock.now())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that says yes."""
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def other() -> Iterator[Receiver]:
    """Another receiver."""
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """An empty outbox."""
    found = Post(tmp_path / "state", QuickClock())
    yield found
    found.store.close()


async def until(true: Callable[[], bool]) -> None:
    """Look until it is so, at most 10 s."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.005)


async def end(task: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Stop a notifier in order."""
    stop.set()
    await asyncio.wait_for(task, 10)


async def test_each_end_of_a_rollout_arrives_signed(post: Post, receiver: Receiver) -> None:
    """One POST per end, in order, with all a receiver needs and a signature it can check."""
    task, stop = post.start(To(receiver.url))
    await post.tell("succeeded", "superseded", "failed", "rolledBack")
    await until(lambda: len(receiver.got) == 3)
    await end(task, stop)
    assert [item["event"] for item in receiver.bodies] == ["success", "failure", "rollback"]
    first = receiver.bodies[0]
    assert first.pop("time") == pytest.approx(time.time(), abs=60)
    assert first == {
        "id": receiver.ids[0], "event": "success", "project": "shop", "stage": "dev", "tag": "1.0", "rollout": "r1",
        "kind": "deploy", "revision": "v1", "step": "gate", "reason": "R", "message": "Größe",
    }  # fmt: skip
    path, headers, body = receiver.got[0]
    assert (path, headers["Content-Type"], headers["User-Agent"]) == ("/hook", "application/json", "holdfast/home-1")
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Holdfast-Signature"])
    assert found is not None
    assert int(found[1]) == pytest.approx(time.time(), abs=60)
    assert hmac.compare_digest(found[2], hmac.new(b"k3y", f"{found[1]}.".encode() + body, hashlib.sha256).hexdigest())


def test_the_signature_is_that_of_the_documentation() -> None:
    """A fixed vector, so that receivers do not break."""
    expected = "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
    assert signature("key", 1700000000, b'{"a":1}') == expected


async def test_it_is_tried_until_it_arrives_with_the_same_id(post: Post, receiver: Receiver) -> None:
    """Errors, redirects and broken connections are tried again, nothing is followed, and success ends it."""
    receiver.behaviours = ["500", "302", "hang up", "404", "429"]
    task, stop = post.start(To(receiver.url))
    await post.tell("failed")
    await until(lambda: len(receiver.got) == 6)
    await post.tell("succeeded")
    await until(lambda: len(receiver.got) == 7)
    await end(task, stop)
    assert {path for path, _, _ in receiver.got} == {"/hook"}
    assert len(set(receiver.ids[:6])) == 1
    assert len({body for _, _, body in receiver.got[:6]}) == 1
    assert receiver.ids[6] != receiver.ids[0]


async def test_what_did_not_arrive_is_sent_after_a_restart(post: Post, receiver: Receiver) -> None:
    """A new process delivers what the last one could not, with the same id, and not again what it could."""
    receiver.always = "503"
    task, stop = post.start(To(receiver.url))
    await post.tell("rolledBack")
    await until(lambda: len(receiver.got) >= 1)
    await end(task, stop)
    receiver.always = "200"
    post.restart()
    before = len(receiver.got)
    task, stop = post.start(To(receiver.url))
    await until(lambda: len(receiver.got) == before + 1)
    await end(task, stop)
    post.restart()
    task, stop = post.start(To(receiver.url))
    await post.tell("succeeded")
    await until(lambda: len(receiver.got) == before + 2)
    await end(task, stop)
    assert len(set(receiver.ids[:-1])) == 1
    assert receiver.bodies[-1]["event"] == "success"


async def test_a_silent_target_delays_nobody(post: Post, receiver: Receiver, other: Receiver) -> None:
    """While one target leaves its first message unanswered, another gets all of them, and a stop is not held up."""
    receiver.always = "silent"
    task, stop = post.start(To(receiver.url), To(other.url))
    await post.tell("failed", "failed", "succeeded")
    await until(lambda: len(other.got) == 3 and len(receiver.got) == 1)
    await end(task, stop)


async def test_a_stop_still_delivers_what_is_due(post: Post, receiver: Receiver) -> None:
    """A command that ends right after its rollout does not take the news with it."""
    task, stop = post.start(To(receiver.url))
    await post.tell("succeeded", "succeeded")
    await end(task, stop)
    assert len(receiver.got) == 2


async def test_targets_get_the_events_they_ask_for(post: Post, receiver: Receiver, other: Receiver) -> None:
    """A filter of one target does not touch another; without a secret there is no signature."""
    task, stop = post.start(To(receiver.url, None, ("rollback",)), To(other.url))
    await post.tell("succeeded", "failed", "rolledBack")
    await until(lambda: len(other.got) == 3 and len(receiver.got) == 1)
    await end(task, stop)
    assert receiver.bodies[0]["event"] == "rollback"
    assert "Holdfast-Signature" not in receiver.got[0][1]


async def test_a_new_target_hears_nothing_of_the_past(post: Post, receiver: Receiver, other: Receiver) -> None:
    """What was recorded before a target was configured is not sent to it."""
    task, stop = post.start(To(receiver.url))
    await post.tell("failed")
    await until(lambda: len(receiver.got) == 1)
    await end(task, stop)
    task, stop = post.start(To(receiver.url), To(other.url))
    await post.tell("succeeded")
    await until(lambda: len(other.got) == 1)
    await end(task, stop)
    assert other.bodies[0]["event"] == "success"


async def test_a_secret_that_is_missing_is_waited_for(
    post: Post, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """URL and key may be references; nothing is sent unsigned, and the log names the reference."""
    where = SecretRef("env", "HOLDFAST_SECRET_HOOK")
    post.secrets.values = {where: receiver.url}
    task, stop = post.start(To(where))
    await post.tell("failed")
    said = ""
    async with asyncio.timeout(10):
        while "secret file:hook-key was not found" not in said:
            said += capsys.readouterr().err
            await asyncio.sleep(0.005)
    assert receiver.got == []
    post.secrets.values[KEY] = "later"
    await until(lambda: len(receiver.got) == 1)
    await end(task, stop)
    assert "Holdfast-Signature" in receiver.got[0][1]


async def test_it_is_given_up_after_a_day(post: Post, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that is gone for good does not fill the outbox for ever; the log says what was given up."""
    receiver.always = "500"
    task, stop = post.start(To(receiver.url))
    await post.tell("failed")
    await until(lambda: len(receiver.got) >= 2)
    post.clock.skipped += 86400
    await until(lambda: "notification given up" in capsys.readouterr().err)
    receiver.always = "200"
    await post.tell("succeeded")
    await until(lambda: bool(receiver.got) and receiver.bodies[-1]["event"] == "success")
    count = len(receiver.got)
    await post.tell("succeeded")
    await until(lambda: len(receiver.got) == count + 1)
    await end(task, stop)


async def test_the_log_gives_no_credentials_away(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever goes wrong, neither the URL's password or token nor the key is said."""
    urls = [
        "http://bot:p4ssw0rd@127.0.0.1:9/t0ken?key=q5uery",
        "http://bot:p4ssw0rd@127.0.0.1:99999/t0ken",
        "http://bot:p4ssw0rd@[::1/t0ken",
        "p4ssw0rd://t0ken",
        "http://p4ssw0rd\n.example/t0ken",
    ]
    refs = {SecretRef("file", f"url-{number}"): url for number, url in enumerate(urls)}
    post.secrets.values.update(refs)
    task, stop = post.start(*(To(ref) for ref in refs), To(urls[0]))
    await post.tell("failed")
    said = ""
    async with asyncio.timeout(10):
        while len(set(re.findall(r"target=(\S+)", said))) < len(urls) + 1:
            said += capsys.readouterr().err
            await asyncio.sleep(0.005)
    await end(task, stop)
    said += capsys.readouterr().err
    assert said.count("notification failed") >= len(urls) + 1
    assert not [word for word in ("p4ssw0rd", "t0ken", "q5uery", "k3y") if word in said]


def test_a_target_keeps_its_name_while_its_address_stays() -> None:
    """Order, password and query may change without a second delivery; two targets never share a name."""
    first = keys([To("https://a:b@example.com/x?y=1"), To(KEY), To(KEY)])
    assert keys([To(KEY), To("https://example.com/x"), To(KEY)]) == [first[1], first[0], first[2]]
    assert len(set(first)) == 3
    assert keys([To("https://example.com/z")])[0] not in first


async def test_it_can_be_run_again(post: Post, receiver: Receiver) -> None:
    """The same notifier, begun anew after it ended, waits and tries again as before."""
    stop = asyncio.Event()
    notifier = Notifier(post.store, [To(receiver.url)], post.secrets, post.clock)
    task = asyncio.create_task(notifier.run(stop))
    await post.tell("failed")
    await until(lambda: len(receiver.got) == 1)
    await end(task, stop)
    stop.clear()
    receiver.behaviours = ["500", "500"]
    task = asyncio.create_task(notifier.run(stop))
    await post.tell("failed")
    await until(lambda: len(receiver.got) == 4)
    assert not task.done()
    await end(task, stop)


async def test_without_targets_there_is_nothing_to_do(post: Post) -> None:
    """No target, no work, no error."""
    task, _ = post.start()
    await asyncio.wait_for(task, 5)
