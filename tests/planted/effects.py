"""Bugs in how things are done and asked: operations, and the clients of the real parts."""

from tests.planted.bug import Bug, Edit

BUGS = (
    Bug(
        "trust the reply to a start",
        "A container that Docker has started counts as one that runs (F26).",
        (
            Edit(
                "work/gate.py",
                "            await self._wait_for_age(watched, max(RUN_MIN_S, action.check.start_period), progress)\n",
                "            return\n",
            ),
        ),
        red="cell worker",
        says="was marked as passed before its gate could pass",
    ),
    Bug(
        "running as healthy",
        "The state of a container is its health (F27).",
        (Edit("work/gate.py", 'elif action.check.type == "none":', 'elif action.check.type != "docker":'),),
        red="cell broken_tag",
        says="was marked as passed before its gate could pass",
    ),
    Bug(
        "retry after an unknown outcome",
        "A migration whose end was not seen is run again, without a look whether it ran.",
        (
            Edit(
                "work/predeploy.py", 'if container.state == "created":', 'if container.state in ("created", "exited"):'
            ),
        ),
        red="tests/core/test_pre_deploy.py::test_a_migration_that_already_ran_is_not_run_again",
        says="AssertionError",
    ),
    Bug(
        "no name on create",
        "Docker gives the name, and two calls make two containers.",
        (Edit("clients/docker/create.py", "params=named", "params={}"),),
        red="tests/contract/test_docker_containers.py::test_creating_twice_gives_the_same_container",
        says="AssertionError",
    ),
    Bug(
        "filter by name",
        "Docker's filter by name finds every name that holds the text.",
        (
            Edit(
                "clients/docker/ownership.py",
                '{"label": label_filters(controller_id, stage)})}\n',
                '{"label": label_filters(controller_id), "name": [(stage or "").replace("/", "-")]})}\n',
            ),
        ),
        red="tests/contract/test_docker_traps.py::test_a_stage_with_a_longer_name_is_not_taken_for_this_one",
        says="Left contains one more item",
    ),
    Bug(
        "removal under way as an error",
        "The 409 of a second removal is taken for a refusal (F18).",
        (
            Edit(
                "clients/docker/errors.py",
                'Outcome(WorldBad, "RemoveFailed", mendable=True)',
                'Outcome(WorldBad, "RemoveFailed")',
            ),
        ),
        red="tests/contract/test_docker_traps.py::test_a_removal_that_is_under_way_already_is_awaited",
        says="is already in progress",
    ),
    Bug(
        "trust the pull",
        "A pull that Docker let end is one that got the image: the old one of that tag will do (F31).",
        (
            Edit(
                "clients/docker/stream.py",
                "            raise EngineError(code if isinstance(code, int) else 0,",
                "            continue\n            raise EngineError(code if isinstance(code, int) else 0,",
            ),
            Edit(
                "clients/docker/pull.py",
                "        if not digest or (self._digest and digest != self._digest):\n",
                '        old = f"{self._image}:{self._tag}"\n'
                "        if not digest and has_image(self._engine, old):\n"
                '            return str(self._engine.json("GET", f"/images/{image_path(old)}/json")["Id"])\n'
                "        if not digest or (self._digest and digest != self._digest):\n",
            ),
        ),
        red="tests/contract/test_docker_pull.py::test_a_broken_blob_fails_although_an_older_image_has_the_tag",
        says="DID NOT RAISE",
    ),
    Bug(
        "no timeout of a pull",
        "A registry that stops sending is waited for without end (F32).",
        (
            Edit(
                "clients/docker/runtime.py",
                "async with asyncio.timeout(self._pull_timeout):",
                "async with asyncio.timeout(None):",
            ),
        ),
        red="tests/contract/test_docker_pull.py::test_a_stalled_blob_ends_at_the_deadline",
        says="Timeout (>",
    ),
    Bug(
        "follow redirects",
        "A probe goes wherever the application sends it.",
        (Edit("clients/probe.py", "follow_redirects=False", "follow_redirects=True"),),
        red="tests/contract/test_probe.py::test_a_redirect_is_judged_and_never_followed",
        says="AssertionError",
    ),
    Bug(
        "truncate and write",
        "A note is overwritten in place, and is lost when the disk is full.",
        (Edit("clients/state/json_notes.py", 'draft = path.with_name(f"{path.name}.new")', "draft = path"),),
        red="tests/contract/test_notes.py::test_a_note_that_does_not_fit_leaves_the_one_before",
        says="assert {} ==",
    ),
    Bug(
        "secret in an exception",
        "An error shows the value that it is about.",
        (
            Edit(
                "clients/secrets.py",
                '        raise Unresolved("is not UTF-8 text") from None\n',
                '        raise Unresolved(f"is not UTF-8 text: {data!r}") from None\n',
            ),
        ),
        red="tests/contract/test_secrets.py::test_what_is_no_secret_is_refused_without_its_content",
        says="is not UTF-8 text: b'",
    ),
    Bug(
        "trust a created proxy host",
        "Nginx Proxy Manager's reply to a new host is believed, not what it shows afterwards.",
        (
            Edit(
                "clients/npm/writer.py",
                "            return await self._settle(ours[0].row, route, ids, error)\n"
                "        self._accept(row, route, ids)\n",
                "            return await self._settle(ours[0].row, route, ids, error)\n",
            ),
        ),
        red="tests/contract/npm/test_npm_facts.py::test_fact_2_a_host_that_nginx_refused_is_not_taken_for_done",
        says="DID NOT RAISE",
    ),
    Bug(
        "load a stale configuration",
        "Caddy gets a whole configuration that was read a moment ago, unguarded.",
        (
            Edit("clients/caddy/admin.py", ', "If-Match": etag})', "})"),
            Edit(
                "clients/caddy/admin.py",
                "return None if old == new else _narrow(",
                'return None if old == new else Edit("POST", "/load", new) if new else _narrow(',
            ),
        ),
        red="tests/contract/test_caddy_foreign.py::test_writers_at_the_same_time_lose_nothing",
        says="does not show it",
    ),
)
