"""The launch template versions of a change's stage: each is noted as soon as it is there, or it would be made twice."""

from gpuops.adapters.aws import client_token
from gpuops.adapters.world import World
from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Template
from gpuops.domain.userdata import with_startup_taint


def create_versions(undo: Undo, world: World) -> Undo:
    """Make the next version of each launch template that has none for this stage, and return the change with them.

    On the way back it is made of the original, image and all; the startup taint comes with it, or newcomers would take
    work before their admission. Idempotent: the token derives from run, template and stage.
    """
    back = undo.stage == "back"
    field = "back" if back else "new"
    for place, moved in enumerate(undo.moved):
        if getattr(moved, field) is not None:
            continue
        token = (moved.source.id, moved.source.version, *(("back",) if back else ()))
        new = create_version(moved.resolved, undo, world, *token)
        done = (*undo.moved[:place], moved.model_copy(update={field: new}), *undo.moved[place + 1 :])
        undo = undo.model_copy(update={"moved": done})
        world.store.write_undo(undo)
    return undo


def create_version(template: Template, undo: Undo, world: World, *token: str) -> Template:
    """Make the next version of one launch template, as the stage wants it. Idempotent: by run and token."""
    back = undo.stage == "back"
    source = world.templates.read(template)
    changes = {"UserData": with_startup_taint(source.user_data)} | ({} if back else {"ImageId": undo.target.ami})
    what = f"back from {undo.target.release}" if back else undo.target.release
    name = client_token(undo.run.id, undo.run.group, *token)
    return world.templates.create(source, changes, name, f"gpuops {what} {undo.run.id}")
