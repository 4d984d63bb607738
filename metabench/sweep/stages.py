"""The stages that several runs share, from the first run that begins with one until none is missing that would."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from metabench.sweep.store import STAGE_FOLDER, Store

USER = ".user"  # ending of the files of a stage that name the runs and tries that have begun with it
GONE = ".gone"  # ending of a stage that is being removed


def use_stage(store: Store, key: str, digest: str) -> Path:
    """The folder of a stage, which nobody removes while the run or try of that digest is claimed."""
    folder = store.stage_folder(key)
    with store.planning():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{digest}{USER}").touch()
    return folder


def drop_stages(store: Store) -> None:
    """Remove the stages that no missing run of a study that was begun here needs.

    One that is in use stays, too, as of a study at work whose plan another of the same name has replaced.
    """
    stages = store.folder / STAGE_FOLDER
    if not stages.is_dir():
        return
    known = store.done().keys()
    with store.planning():
        needed = {key for plan in store.plans() for key, runs in plan.stages.items() if not known >= {*runs}}
        for folder in sorted(stages.iterdir(), reverse=True):  # the rest of a removal before a stage of the same key
            if folder.name not in needed and not _in_use(store, folder):
                gone = folder.with_suffix(GONE)  # at once, since a part of a stage would be taken for all of it
                with suppress(OSError):
                    folder.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
        with suppress(OSError):
            stages.rmdir()


def _in_use(store: Store, folder: Path) -> bool:
    return any(store.is_claimed(path.stem) for path in folder.glob(f"*{USER}"))
