"""Several processes that train one network together, as torchrun starts them; one process where it did not.

Each process takes steps on views of its own, gradients are averaged after every step, so all hold the same weights at
any time. The first one decides everything else: how long to go on, which state is best, what is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn

LONGEST_WAIT = timedelta(hours=4)
"""How long the others wait for the first one, which measures while they do not."""


@dataclass(frozen=True)
class Group:
    """The processes of one training.

    Attributes:
        rank: of this one; 0 is the first.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def share(self, network: nn.Module) -> None:
        """Give every process the first one's weights."""
        if self.size > 1:
            for tensor in network.state_dict().values():
                distributed.broadcast(tensor, src=0)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes; one that is missing counts as 0."""
        if self.size == 1:
            return
        known = list(parameters)
        for parameter in known:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        together = torch.cat([parameter.grad.flatten() for parameter in known if parameter.grad is not None])
        distributed.all_reduce(together)
        together /= self.size
        for parameter, mean in zip(known, torch.split(together, [each.numel() for each in known]), strict=True):
            parameter.grad = mean.view_as(parameter).clone()

    def agree(self, number: int, device: torch.device) -> int:
        """The first process's number, in every process."""
        if self.size == 1:
            return number
        said = torch.tensor([number], device=device)
        distributed.broadcast(said, src=0)
        return int(said.item())


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The processes that torchrun started, until the block ends; each takes a GPU of its own where there are any."""
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        yield Group()
        return
    cuda = device.type == "cuda"
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=LONGEST_WAIT)
    try:
        group = Group(distributed.get_rank(), distributed.get_world_size())
        if cuda:
            torch.cuda.set_device(group.rank % torch.cuda.device_count())
        yield group
    finally:
        distributed.destroy_process_group()
