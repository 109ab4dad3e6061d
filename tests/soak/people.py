"""Two annotators with accounts of their own, who work as people do: next task, submit, skip, correct, delete."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from ml_backend.errors import LabelStudioUnavailable, PapLoopError
from ml_backend.experiments.simulate.oracle import Oracle
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.choices import choice_result
from tests.soak.ledger import Ledger, said

IMPATIENCE = 20.0
"""Seconds after which an annotator gives a click up."""
REST = 1.0


def second_account(client: LabelStudio, url: str) -> LabelStudio:
    """Sign a second annotator up by the organization's invitation; answers a client that works under that name."""
    base = url.rstrip("/")
    invite = str(client._object("GET", "api/invite")["invite_url"])
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        address = base + invite[invite.index("/user/") :]
        form = browser.get(address).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None, "Label Studio's sign-up page has no form"
        email = f"second-{secrets.token_hex(4)}@example.com"
        fields = {"email": email, "password": secrets.token_urlsafe(12), "csrfmiddlewaretoken": token[1]}
        browser.post(address, data=fields, headers={"Referer": address}).raise_for_status()
        headers = {"X-CSRFToken": browser.cookies.get("csrftoken", ""), "Referer": base}
        made = browser.post(f"{base}/api/token/", headers=headers).raise_for_status()
    return LabelStudio(url, made.json()["token"], timeout=IMPATIENCE)


@dataclass(frozen=True)
class Work:
    """What annotators share.

    Attributes:
        project: Label Studio's project id.
        job: what its labeling config asks.
        oracle: knows the true classes.
        ledger: where they write down what was acknowledged.
        think: mean seconds before each answer.
        calm: whether all programs are well now.
    """

    project: int
    job: LabelingJob
    oracle: Oracle
    ledger: Ledger
    think: float
    calm: Callable[[], bool]


class Annotator(threading.Thread):
    """Works until stopped; whatever Label Studio does, goes on afterwards."""

    def __init__(self, name: str, client: LabelStudio, work: Work, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.client, self.work = client, work
        self.rng = np.random.default_rng(seed)
        self.stopping = threading.Event()
        self.mine: list[int] = []
        self.serial = 0
        self.surprise = ""

    def stop(self) -> None:
        """End after what is being done now."""
        self.stopping.set()

    def run(self) -> None:
        """Work."""
        try:
            while not self.stopping.wait(float(self.rng.exponential(self.work.think))):
                try:
                    self._act()
                except LabelStudioUnavailable:
                    self.work.ledger.counts["refused"] += 1
                    self.stopping.wait(REST)
        except Exception as error:
            self.surprise = f"{type(error).__name__}: {error}"
            raise

    def _act(self) -> None:
        chance = self.rng.random()
        if self.mine and chance < 0.1:
            self._correct(self.mine[int(self.rng.integers(len(self.mine)))])
        elif self.mine and chance < 0.17:
            self._take_back(self.mine.pop(int(self.rng.integers(len(self.mine)))))
        else:
            task = self.client.next_task(self.work.project)
            if task is None:
                self.stopping.wait(REST)
            else:
                self._submit(task, skip=chance > 0.93)

    def _marked(self, label: str) -> tuple[str, list[dict[str, Any]]]:
        """A result under a mark by which it is recognised whatever becomes of the answer."""
        self.serial += 1
        mark = f"{self.name}-{self.serial}"
        return mark, choice_result(self.work.job, label, None, mark)

    def _submit(self, task: dict[str, Any], *, skip: bool) -> None:
        truth = self.work.oracle.label_of(str(task.get("data", {}).get("name", "")))
        mark, result = self._marked(truth or self.work.job.classes[0])
        # A skip carries a result too, as in the editor, so that it is recognised.
        calm, started = self.work.calm(), time.monotonic()
        try:
            made = self.client.create_annotation(int(task["id"]), result, 1.0, was_cancelled=skip)
        except PapLoopError as error:
            self.work.ledger.no_answer(mark)
            if not isinstance(error, LabelStudioUnavailable):
                raise
            return
        seconds = time.monotonic() - started
        number = int(made["id"])
        self.work.ledger.submitted(number, int(task["id"]), said(result, skip), seconds, calm and self.work.calm())
        self.mine.append(number)

    def _correct(self, number: int) -> None:
        _, result = self._marked(self.work.job.classes[int(self.rng.integers(len(self.work.job.classes)))])
        try:
            made = self.client.update_annotation(number, result=result, was_cancelled=False)
        except LabelStudioUnavailable:
            self.work.ledger.lost_sight_of(number)
            return
        self.work.ledger.changed(number, said(made["result"], made["was_cancelled"]))

    def _take_back(self, number: int) -> None:
        try:
            self.client.delete_annotation(number)
        except LabelStudioUnavailable:
            self.work.ledger.lost_sight_of(number)
            return
        self.work.ledger.deleted(number)
