"""Carries out one action: a quick call is made now, an operation is started. A pass never waits for long work."""

from collections.abc import Callable, Sequence
from typing import assert_never

from controller.core.model import actions
from controller.core.model.actions import Action, Operation, QuickCall
from controller.core.model.desired import SecretRef, StageKey
from controller.core.model.errors import HoldfastError
from controller.core.model.observed import Container
from controller.interfaces import Runtime, Secrets
from controller.work.operations import Operations


class Applier:
    """Carries out the actions of a pass.

    `changed` is called after each call that may have changed a stage's containers, `removed` after each removal.
    """

    def __init__(
        self,
        runtime: Runtime,
        secrets: Secrets,
        operations: Operations,
        changed: Callable[[StageKey], None],
        removed: Callable[[Container], None] = lambda container: None,
    ) -> None:
        self._runtime = runtime
        self._secrets = secrets
        self._operations = operations
        self._changed = changed
        self._removed = removed

    async def apply(self, stage: StageKey, action: Action) -> bool:
        """Carry out one action; returns True for a quick call: the stage then has to be observed again.

        A quick call that fails becomes a fact under its key: the other actions of the pass still run.
        """
        if isinstance(action, Operation):
            self._operations.start(stage, action)
            return False
        try:
            await self._call(action)
        except HoldfastError as error:
            self._operations.note_failure(stage, action.key, error)
        else:
            self._operations.forget(stage, action.key)
        finally:
            self._changed(stage)
        return True

    async def start_what_passed(self, stage: StageKey, planned: Sequence[Action]) -> None:
        """Of the planned actions carry out those that start, connect or unpause a container that passed.

        That needs no stored intent, and such a container may be serving.
        """
        for action in planned:
            if isinstance(action, actions.Start | actions.Connect | actions.Unpause) and action.container.passed:
                await self.apply(stage, action)

    async def _call(self, action: QuickCall) -> None:
        match action:
            case actions.Create(spec=spec):
                refs = [entry.value for entry in spec.env if isinstance(entry.value, SecretRef)]
                await self._runtime.create(spec, await self._secrets.resolve(refs) if refs else {})
            case actions.MarkPassed(container=container, passed=passed):
                await self._runtime.mark(container, passed)
            case actions.Unpause(container=container):
                await self._runtime.unpause(container)
            case actions.Connect(container=container):
                await self._runtime.connect(container)
            case actions.Remove(container=container):
                await self._runtime.remove(container)
                self._removed(container)
            case _:
                assert_never(action)
