"""A folder of images -> items with embeddings and groups -> one Label Studio task per representative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ml_backend.errors import BadRequest, NotFound
from ml_backend.images.items import display_name
from ml_backend.intake.embedding import embedder_for
from ml_backend.intake.moved_files import reattach
from ml_backend.intake.task_import import TaskImporter
from ml_backend.label_studio.config import parse_label_config
from ml_backend.progress import Stage
from ml_backend.services import Services
from ml_backend.state.files import project_lock
from ml_backend.state.records import ItemChange, ItemRow, NewItem
from ml_backend.state.store import Store
from training.data.folders import ImageFiles, image_files
from training.data.images import IMAGE_SUFFIXES, content_hash
from training.types import Progress


@dataclass(frozen=True)
class IngestReport:
    """What one ingest did.

    Attributes:
        found: image files in the folder.
        new: files that were not known before.
        near_duplicates: new images that joined the group of another one; experts are not asked about them first.
        tasks: tasks imported into Label Studio.
        unreadable: name -> reason of images that cannot be used.
        moved: files that lay elsewhere before; their images keep tasks and labels.
        unusable: name -> reason of files and folders that could not even be taken in.
        passed_over: number of files by ending or by reason that were not looked at.
    """

    found: int
    new: int
    near_duplicates: int
    tasks: int
    moved: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """What was not ingested and why, for people."""
        return ImageFiles((), {**self.unreadable, **self.unusable}, self.passed_over).sentences()


def scan(folder: Path) -> ImageFiles:
    """Image files below `folder`, sorted, and what is passed over: hidden files, links that leave the folder, others.

    Raises:
        NotFound: no such folder.
        BadRequest: it holds no image.
    """
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise NotFound(f"There is no folder {folder}; check the path.", code="folder.unknown")
    found = image_files(root, inside=True)
    if not found.files:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        raise BadRequest(
            " ".join(
                [
                    f"There is no image in {folder}; PapLoop looks for files ending in {endings}, including in "
                    "subfolders.",
                    *found.sentences(),
                ]
            ),
            code="folder.no_images",
        )
    return found


def names_below(folder: Path) -> list[str]:
    """Names of the images of a folder, as their items will have them.

    Raises:
        NotFound, BadRequest: the folder does not exist, or holds no images.
    """
    root = folder.expanduser().resolve()
    return [path.relative_to(root).as_posix() for path in scan(folder).files]


def ingest(services: Services, project_id: int, folder: Path, *, stage: Stage) -> IngestReport:
    """Ingest a folder; repeating it adds only what is new, and a killed ingest resumes where it stopped.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id, connected before.
        folder: searched recursively.
        stage: shows progress.

    Raises:
        NotFound, BadRequest: the folder or the project cannot be used.
        LabelStudioUnavailable: it does not answer; what was embedded stays, run the same command again.
    """
    store, files = services.store, services.files
    parse_label_config(store.projects.one(project_id).label_config)
    root = folder.expanduser().resolve()
    found = scan(folder)
    paths = found.files
    before = {item.source: item for item in store.items.all(project_id)}
    fresh = [path for path in paths if str(path) not in before]
    hashes: dict[Path, str] = {}
    moved = reattach(store, project_id, root, fresh, stage("Looking for moved files"), hashes)
    fresh = [path for path in fresh if str(path) not in moved]
    store.items.add(project_id, _new_items(root, fresh, stage("Reading files"), hashes), services.clock())
    _retry_unreadable(store, [before[str(path)] for path in paths if str(path) in before])
    importer = TaskImporter(store, services.label_studio, services.settings, files, services.clock, project_id)
    with files.lock(project_lock(project_id)), importer:
        importer.match_lost()
        embedder = embedder_for(
            store,
            files,
            services.images,
            project_id,
            max_pixels=services.settings.max_image_pixels,
            threads=services.threads,
        )
        embedder.embed_waiting(stage("Embedding images"), importer.more)
        tasks = importer.finish(stage("Importing tasks"))
    sources = {str(path) for path in paths}
    items = [item for item in store.items.all(project_id) if item.source in sources]
    added = {str(path) for path in fresh}
    return IngestReport(
        found=len(paths),
        new=len(fresh),
        near_duplicates=sum(i.source in added and i.group_id not in (None, i.id) for i in items),
        tasks=tasks,
        unreadable={display_name(item): item.reason for item in items if item.state == "unreadable"},
        moved=len(moved),
        unusable=found.unusable,
        passed_over=found.passed_over,
    )


def _new_items(root: Path, files: Sequence[Path], progress: Progress, hashes: Mapping[Path, str]) -> list[NewItem]:
    rows = []
    for number, path in enumerate(files):
        name = path.relative_to(root).as_posix()
        try:
            digest, state, reason = hashes.get(path) or content_hash(path), "new", ""
        except OSError as error:
            digest, state = "", "unreadable"
            reason = _unread(error)
        rows.append(
            NewItem(
                source=str(path),
                content_hash=digest,
                data={"root": str(root), "name": name},
                state=state,
                reason=reason,
            )
        )
        progress((number + 1) / len(files), name)
    progress(1.0, "")
    return rows


def _unread(error: OSError) -> str:
    return f"The file cannot be read: {error.strerror}; check its permissions."


def _retry_unreadable(store: Store, items: Sequence[ItemRow]) -> None:
    """A file that could not be read may have been repaired since."""
    changed: list[ItemChange] = []
    for item in items:
        if item.state != "unreadable":
            continue
        try:
            digest = content_hash(Path(item.source))
        except OSError as error:
            changed.append({"id": item.id, "reason": _unread(error)})
            continue
        if digest != item.content_hash:
            changed.append({"id": item.id, "state": "new", "reason": "", "content_hash": digest})
    if changed:
        store.items.update(changed)
