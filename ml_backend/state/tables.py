"""The database schema; `store` holds every statement that touches it."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

OPEN_STATES = ("prepare", "train", "judge", "publish")
"""A run in one of these is open; at most one per project."""

# Numbers of items, runs and rankings are never used twice (sqlite_autoincrement): run folders and signed image URLs
# outlive their rows. predictions and ranking_entries name items without a foreign key: items go only with their
# project, and a key would cost a lookup for each of 100,000 rows on every ranking.

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="Label Studio's project id"),
    Column("title", String(300), nullable=False, default=""),
    Column("label_config", Text, nullable=False, default=""),
    Column("settings", JSON, nullable=False, default=dict, doc="ProjectSettings as JSON"),
    Column("active_run_id", Integer, nullable=True, doc="promoted model, or NULL"),
    Column("active_version", String(200), nullable=False, default="", doc="model_version Label Studio sorts by"),
    Column("reconciled_until", String(40), nullable=False, default="", doc="cursor of the updated_at poll"),
    Column("reconciled_at", Float, nullable=False, default=0.0),
    Column("gone_at", Float, nullable=True, doc="since when it is left alone: disconnected or not in Label Studio"),
    Column("drift", String(60), nullable=False, default="", doc="difference in counts that a full poll left, as JSON"),
    Column("created_at", Float, nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("task_id", Integer, nullable=True, doc="Label Studio's task id; NULL until imported"),
    Column("source", Text, nullable=False, doc="image URL or path relative to the project's image root"),
    Column("content_hash", String(64), nullable=False, default=""),
    Column("source_group", Text, nullable=False, default="", doc="patient, slide or source image"),
    Column("group_id", Integer, nullable=True, doc="item id of the near-duplicate representative"),
    Column("split", String(20), nullable=False, default="", doc="train, validation, quarantine or empty"),
    Column("width", Integer, nullable=False, default=0),
    Column("height", Integer, nullable=False, default=0),
    Column("encoder", String(200), nullable=False, default=""),
    Column("vector_row", Integer, nullable=True),
    Column("state", String(20), nullable=False, default="new", doc="new, ready, unreadable or deleted"),
    Column("reason", Text, nullable=False, default=""),
    Column("data", JSON, nullable=False, default=dict, doc="the task's data"),
    Column("meta", JSON, nullable=False, default=dict),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("project_id", "task_id", name="uq_items_task"),
    UniqueConstraint("project_id", "source", name="uq_items_source"),
    Index("ix_items_project_state", "project_id", "state"),
    Index("ix_items_hash", "project_id", "content_hash"),
    sqlite_autoincrement=True,
)

annotation_rows = Table(
    "annotations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, doc="Label Studio's annotation id"),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("task_id", Integer, nullable=False),
    Column("completed_by", Integer, nullable=True),
    Column("result", JSON, nullable=False, default=list),
    Column("was_cancelled", Boolean, nullable=False, default=False),
    Column("ground_truth", Boolean, nullable=False, default=False),
    Column("lead_time", Float, nullable=True),
    Column("parent_prediction", Integer, nullable=True),
    Column("updated_at", String(40), nullable=False, default=""),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("change", Integer, nullable=False, default=0, doc="project-wide change number, for counting what is new"),
    Column("changed_at", Float, nullable=False, default=0.0, doc="time that change was recorded, s"),
    Index("ix_annotations_task", "project_id", "task_id"),
    Index("ix_annotations_change", "project_id", "change"),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", Integer, nullable=False),
    Column("action", String(60), nullable=False),
    Column("body", JSON, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("processed_at", Float, nullable=True),
    Column("error", Text, nullable=False, default=""),
    Column("tries", Integer, nullable=False, default=0, doc="attempts that failed"),
    Column("next_try_at", Float, nullable=False, default=0.0),
    Column("set_aside", Boolean, nullable=False, default=False, doc="failed while others succeeded; a person looks"),
    Index("ix_events_open", "processed_at", "id"),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(20), nullable=False, default="prepare", doc="prepare, train, judge, publish, done, failed"),
    Column("kind", String(20), nullable=False, default="train", doc="train = all steps, rank = publish only"),
    Column("reason", Text, nullable=False, default="", doc="reason, in words"),
    Column("decision", String(20), nullable=False, default="", doc="promoted, kept or empty"),
    Column("decision_reason", Text, nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0, doc="starts of the present step that came to no end"),
    Column("waits", Integer, nullable=False, default=0, doc="times the present step had to wait for something outside"),
    Column("next_try_at", Float, nullable=False, default=0.0),
    Column("seed", Integer, nullable=False, default=0),
    Column("change", Integer, nullable=False, default=0, doc="annotations up to this change number are in it"),
    Column("request", JSON, nullable=False, default=dict),
    Column("metrics", JSON, nullable=False, default=dict),
    Column("progress", Float, nullable=False, default=0.0),
    Column("message", Text, nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float, nullable=True),
    Index(
        "uq_runs_open",
        "project_id",
        unique=True,
        sqlite_where=text("state IN ('prepare', 'train', 'judge', 'publish')"),
        postgresql_where=text("state IN ('prepare', 'train', 'judge', 'publish')"),
    ),
    sqlite_autoincrement=True,
)

class_lists = Table(
    "class_lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True, doc="sha256 of the names"),
    Column("names", JSON, nullable=False, doc="class names in the order of a row of probabilities"),
)

categories = Table(
    "categories",
    metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("name", String(400), primary_key=True, doc="class name"),
    Column("number", Integer, nullable=False, doc="category id in exported COCO files, from 1"),
    UniqueConstraint("project_id", "number"),
)

wishes = Table(
    "wishes",
    metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False, doc="of the run that follows the open one: train or rank"),
    Column("reason", Text, nullable=False, doc="why, in words"),
    Column("asked_at", Float, nullable=False),
)

predictions = Table(
    "predictions",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("probs", LargeBinary, nullable=False, doc="float32 little endian, one a name of the class list"),
    Column("class_list", ForeignKey("class_lists.id"), nullable=False),
    sqlite_with_rowid=False,
)

# With row numbers: answers of tens of kilobytes would bloat the inner nodes of a clustered index.
detections = Table(
    "detections",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("found", LargeBinary, nullable=False, doc="as ml_backend.predictions.packing writes it"),
)

rankings = Table(
    "rankings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("run_id", Integer, nullable=True, doc="model behind the probabilities, or NULL at cold start"),
    Column("opened_by", Integer, nullable=False, doc="the run that published it"),
    Column("version", String(200), nullable=False, unique=True, doc="model_version in Label Studio"),
    Column("state", String(20), nullable=False, default="prepared", doc="building, prepared, active, retired, deleted"),
    Column("strategy", String(60), nullable=False),
    Column("provenance", JSON, nullable=False, default=dict),
    Column("created_at", Float, nullable=False),
    Index("ix_rankings_project", "project_id", "state"),
    sqlite_autoincrement=True,
)

ranking_entries = Table(
    "ranking_entries",
    metadata,
    Column("ranking_id", ForeignKey("rankings.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("score", Float, nullable=False, doc="position mapped to [0, 1], 0 = label first"),
    Column("utility", Float, nullable=False),
    Column("why", Text, nullable=False, default=""),
    Index("ix_entries_position", "ranking_id", "position"),
    sqlite_with_rowid=False,
)

effort = Table(
    "effort",
    metadata,
    Column("annotation_id", Integer, primary_key=True, autoincrement=False),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("updated_at", String(40), nullable=False, doc="of the annotation when it was looked at"),
    Column("run_id", Integer, nullable=True, doc="whose model's proposals were shown, or NULL"),
    Column("start", String(20), nullable=False, doc="proposal, nothing or elsewhere"),
    Column("accepted", Integer, nullable=False),
    Column("moved", Integer, nullable=False),
    Column("relabeled", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("deleted", Integer, nullable=True, doc="NULL when it is not known any more what was shown"),
    Column("seconds", Float, nullable=True, doc="lead_time, or NULL"),
    Index("ix_effort_project", "project_id"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("result", JSON, nullable=False, doc="Label Studio's results of an imported pre-annotation"),
    Column("created_at", Float, nullable=False),
    Index("ix_proposals_project", "project_id"),
)
