"""Bugs in what is decided: the core, and the pass around it. Found in the simulated world and by pure tests."""

from tests.planted.bug import Bug, Edit

BUGS = (
    Bug(
        "delete before route switch",
        "The old one goes as soon as it is not declared any more, whoever a route leads to.",
        (
            Edit(
                "core/planning/retire.py",
                "def _staying(builder: PlanBuilder, slots: Slots, selection: Selection) -> set[str]:\n",
                "def _staying(builder: PlanBuilder, slots: Slots, selection: Selection) -> set[str]:\n"
                "    return {one.id for one in builder.observed.containers if builder.desired.instance(one.tag)}\n\n\n"
                "def _stayed(builder: PlanBuilder, slots: Slots, selection: Selection) -> set[str]:\n",
            ),
            Edit(
                "core/planning/retire.py",
                "    _note_undrained(builder, staying | builder.routed)\n",
                "    _note_undrained(builder, staying)\n",
            ),
            Edit(
                "core/planning/retire.py",
                "def ensure_unrouted(builder: PlanBuilder, container: Container) -> bool:\n",
                "def ensure_unrouted(builder: PlanBuilder, container: Container) -> bool:\n    return True\n\n\n"
                "def was_unrouted(builder: PlanBuilder, container: Container) -> bool:\n",
            ),
        ),
        red="cell broken_tag",
        says="S5 at",
    ),
    Bug(
        "route switch before health",
        "A gate that has begun counts as one that said yes.",
        (
            Edit(
                "core/planning/tag_state.py",
                'return container.running and fact is not None and fact.status == "succeeded"',
                "return container.running and fact is not None",
            ),
        ),
        red="cell replace_tag",
        says="was marked as passed before its gate could pass",
    ),
    Bug(
        "rollback to an unproven target",
        "What is there gets the routes when nothing has proven itself.",
        (
            Edit(
                "core/planning/types.py",
                "        return self.current or self.stable\n",
                "        return self.current or self.stable or self.candidate\n",
            ),
            Edit(
                "core/planning/routes.py",
                "    if has_passed_gate(builder, container):\n        return True\n",
                "    if container.running:\n        return True\n",
            ),
        ),
        red="cell broken_first",
        says="was pointed at",
    ),
    Bug(
        "compare tags, not ids",
        "A container of the right tag counts as the declared one, whatever image it runs.",
        (
            Edit(
                "core/model/digests.py",
                "container.template == template and (not digest or container.digest == digest)",
                "container.template == template",
            ),
        ),
        red="cell track_digest",
        says="not within 900 seconds",
    ),
    Bug(
        "restart on a change of the hash's rule",
        "Another way to hash the same spec replaces everything that runs.",
        (
            Edit(
                "core/model/digests.py",
                'hashlib.sha256(text.encode("utf-8", "surrogatepass"))',
                'hashlib.blake2b(text.encode("utf-8", "surrogatepass"))',
            ),
        ),
        red="tests/core/test_revision.py::test_an_upgrade_recreates_nothing",
        says="1-f9a8829b86cd",
    ),
    Bug(
        "address kept over a restart",
        "A route keeps the address that its container had when it was written.",
        (
            Edit(
                "core/planning/routes.py",
                "    host = container.address\n",
                "    known = existing is not None and existing.container == container.id\n"
                "    host = existing.host if existing is not None and known else container.address\n",
            ),
        ),
        red="cell engine_restarted",
        says="is not answered",
    ),
    Bug(
        "labels as ownership",
        "Whatever carries our labels is ours, also a copy under another name.",
        (Edit("core/model/identity.py", " and name == identity.name\n", "\n"),),
        red="cell deploy",
        says="something that is not ours changed",
    ),
    Bug(
        "progress remembered in memory only",
        "What is remembered of a stage lives as long as the controller.",
        (
            Edit(
                "reconcile.py",
                "await self.store.record(key, decided.memory, decided.transitions, now)",
                "self._kept[key] = decided.memory; "
                "await self.store.record(key, StageMemory(), decided.transitions, now)",
            ),
            Edit(
                "reconcile.py",
                "await self.store.memory(desired.key)",
                "self._kept.get(desired.key) or await self.store.memory(desired.key)",
            ),
            Edit(
                "reconcile.py",
                "    _locks: dict[StageKey, asyncio.Lock] = field(default_factory=dict)\n",
                "    _locks: dict[StageKey, asyncio.Lock] = field(default_factory=dict)\n"
                "    _kept: dict[StageKey, StageMemory] = field(default_factory=dict)\n",
            ),
        ),
        red="cell broken_and_restarted",
        says="S26 at",
    ),
    Bug(
        "generation not checked",
        "A pass goes on with what it decided although something newer is declared by now.",
        (
            Edit(
                "reconcile.py",
                "was_cut_short = is_old or self.is_stopping() or self.desired(key) != desired",
                "was_cut_short = is_old or self.is_stopping()",
            ),
        ),
        red="tests/core/test_reconcile.py::test_a_newer_declaration_stops_the_pass_between_two_actions",
        says="AssertionError",
    ),
    Bug(
        "expectations that expire",
        "A list from before one's own call is believed again.",
        (Edit("work/container_snapshot.py", "if key not in self._changed and self._clock", "if self._clock"),),
        red="cell deploy",
        says="S6 at",
    ),
    Bug(
        "events without a resync",
        "Only what an event tells of is looked at.",
        (
            Edit(
                "loop.py",
                "                async with asyncio.timeout(self._pieces.resync):\n"
                "                    await self._resync.wait()",
                "                await self._resync.wait()",
            ),
        ),
        red="cell drift_route_removed",
        says="stage-dev-shop.test has no route",
    ),
    Bug(
        "prune on an empty source",
        "A source that cannot be read is one that declares nothing.",
        (
            Edit(
                "intake/guard.py",
                "self._take(delivery.source, (*delivery.documents, *_last_good(before, delivery)), delivery.deleted)",
                "self._take(delivery.source, tuple(delivery.documents))",
            ),
        ),
        red="cell unreadable",
        says="something was deleted",
    ),
)
