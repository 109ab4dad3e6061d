"""Regions as PapLoop writes them, in the editor: drawn where they belong, and saved unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach
from ml_backend.label_studio.regions.results import Control, Reading, Region, read_results, write_results
from ml_backend.label_studio.regions.shapes import Brush, Ellipse, Polygon, Rectangle, corners
from ml_backend.ordering.strategy_choice import change_settings
from tests.e2e import seen
from tests.e2e.browser import Editor, keep
from tests.e2e.conftest import RealStack, silent, wait_for
from tests.e2e.shapes import assert_same, bitmap_of
from training.geometry.runs import from_window

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

CONFIG = """<View>
  <Image name="image" value="$image" zoom="true" rotateControl="true"/>
  <RectangleLabels name="box" toName="image"><Label value="cell"/><Label value="clump"/></RectangleLabels>
  <PolygonLabels name="outline" toName="image"><Label value="cell"/></PolygonLabels>
  <EllipseLabels name="oval" toName="image"><Label value="nucleus"/></EllipseLabels>
  <BrushLabels name="brush" toName="image"><Label value="mucus"/></BrushLabels>
</View>"""
BOX = Control("box", "image", "rectanglelabels", ("cell", "clump"))
OUTLINE = Control("outline", "image", "polygonlabels", ("cell",))
OVAL = Control("oval", "image", "ellipselabels", ("nucleus",))
BRUSH = Control("brush", "image", "brushlabels", ("mucus",))
CONTROLS = (BOX, OUTLINE, OVAL, BRUSH)

HEIGHT, WIDTH = SIZE = (240, 400)
PAPER, GREEN, PURPLE = (235, 225, 230), (150, 190, 150), (190, 160, 210)
TURNS = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
}
"""EXIF orientation -> how the upright picture is stored."""


def blob() -> Brush:
    """A brush mask with a hole."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bitmap = ((x - 220) / 45) ** 2 + ((y - 170) / 30) ** 2 < 1
    bitmap[165:175, 200:215] = False
    return Brush(from_window(bitmap, (0, 0), SIZE))


REGIONS = (
    Region("turned", "cell", Rectangle(60.5, 40.25, 90, 40, 30), BOX, 0.9),
    Region("upright", "clump", Rectangle(330, 170, 50, 50), BOX, 0.8),
    Region("line", "cell", Polygon(((30.2, 150), (110, 140.7), (130, 200), (60, 225))), OUTLINE, 0.7),
    Region("oval", "nucleus", Ellipse(300, 70, 60, 25, -25), OVAL, 0.6),
    Region("paint", "mucus", blob(), BRUSH, 0.5),
)


def write_picture(path: Path, orientation: int) -> None:
    """A picture on which every region is painted, so that a screenshot shows whether regions are drawn in place."""
    painted = np.full((HEIGHT, WIDTH, 3), PAPER, dtype=np.uint8)
    for region in REGIONS:
        painted[bitmap_of(region.shape, SIZE)] = PURPLE if isinstance(region.shape, Brush) else GREEN
    picture = Image.fromarray(painted)
    ImageDraw.Draw(picture).text((5, 5), f"orientation {orientation}", fill="black")
    turn = TURNS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = picture.transpose(turn) if turn is not None else picture
    picture.save(path, quality=95, subsampling=0, exif=exif)


class Project:
    """A project with all drawing controls, whose pictures are stored turned."""

    def __init__(self, stack: RealStack, folder: Path) -> None:
        self.stack, self.client = stack, stack.label_studio
        folder.mkdir()
        for orientation in TURNS:
            write_picture(folder / f"orientation{orientation}.{'png' if orientation == 3 else 'jpg'}", orientation)
        self.id = int(self.client.create_project("End to end: geometry", CONFIG)["id"])
        attach(
            stack.services.store, stack.services.label_studio, stack.services.settings, self.id, stack.services.clock()
        )
        change_settings(stack.services.store.projects, self.id, {"auto_train": False, "duplicate_radius": 0})
        ingest(stack.services, self.id, folder, stage=silent)
        # The worker orders what came in by itself, and that switches to its own version: only then to ours.
        wait_for(lambda: stack.services.store.rankings.active(self.id) is not None, "the first order")
        stack.settled(self.id)
        named = {row["data"]["name"]: row["id"] for row in self.client.tasks_updated_since(self.id)}
        self.tasks = {
            number: next(named[name] for name in named if f"orientation{number}." in name) for number in TURNS
        }

    def show(self, orientations: tuple[int, ...]) -> None:
        """Pre-annotate some tasks."""
        results = write_results(REGIONS, SIZE)
        bodies = [
            {"task": self.tasks[number], "score": 0.5, "model_version": "geometry", "result": results}
            for number in orientations
        ]
        assert self.client.import_predictions(self.id, bodies) == len(bodies)
        self.client.set_model_version(self.id, "geometry")

    def saved(self, orientation: int) -> Reading:
        """The regions of the annotation that Label Studio saved for a task."""
        task = self.tasks[orientation]
        wait_for(lambda: self.client.task_annotations(task), "the annotation saved")
        (annotation,) = self.client.task_annotations(task)
        for result in annotation["result"]:
            assert (result["original_height"], result["original_width"]) == SIZE
        return read_results(annotation["result"], CONTROLS, SIZE, orientation=orientation)


@pytest.fixture(scope="module")
def project(real_stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(real_stack, tmp_path_factory.mktemp("geometry") / "pictures")
    made.show((1, 6, 7))
    return made


@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_regions_are_drawn_in_place_and_saved_unchanged(project: Project, editor: Editor, orientation: int) -> None:
    editor.open_task(project.id, project.tasks[orientation], len(REGIONS))
    keep(editor.page, f"geometry-orientation{orientation}")

    shown, hidden = editor.with_and_without_regions()
    drawn = seen.changed(hidden, shown)
    painted = seen.parts(~seen.near(hidden, PAPER, 30))
    assert len(painted) == len(REGIONS)
    for part in painted:
        here = drawn & seen.around(part, 12)
        assert seen.overlap(here, part) > 0.95
        assert seen.centre(here) == pytest.approx(seen.centre(part), abs=0.5)

    sent = {result["id"]: result for result in editor.results()}
    editor.submit()
    saved = project.saved(orientation)
    assert not saved.left_out
    assert not saved.untouched
    found = {region.id: region for region in saved.regions}
    assert found.keys() == sent.keys() == {region.id for region in REGIONS}
    for region in REGIONS:
        assert found[region.id].label == region.label
        assert_same(found[region.id].shape, region.shape, SIZE)


def test_a_region_drawn_while_the_picture_is_turned(project: Project, editor: Editor) -> None:
    editor.open_task(project.id, project.tasks[3], 0)
    editor.turn_picture()
    place = seen.box_around(seen.near(editor.canvas(), PURPLE))
    editor.page.keyboard.press("1")
    editor.drag((place.left, place.top), (place.right, place.bottom))
    editor.page.wait_for_function("() => Htx.annotationStore.selected.regions.length === 1")
    keep(editor.page, "geometry-turned-by-hand")
    editor.submit()

    (region,) = project.saved(3).regions
    assert region.extra["image_rotation"] == 90
    assert isinstance(region.shape, Rectangle)
    true = seen.box_around(bitmap_of(blob(), SIZE))
    around = corners(region.shape)
    assert around.min(axis=0) == pytest.approx((true.left, true.top), abs=1.5)
    assert around.max(axis=0) == pytest.approx((true.right, true.bottom), abs=1.5)
