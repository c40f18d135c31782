"""One process or many: the same code on CPU, on one GPU and under `torchrun` with FSDP2.

Only torch's own runtime is used. There is no fallback: under torchrun the process group must come
up with the world size torchrun promised, else the run ends.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard

from training.errors import RunError, TrainingError

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Distributed:
    """Where this process stands among all processes of the run. Use `Distributed.start`."""

    rank: int
    world_size: int
    device: torch.device

    @classmethod
    def start(cls) -> "Distributed":
        """Read torchrun's environment and join the process group, if there is one to join."""
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else _CPU
        if world_size > 1:
            if not dist.is_initialized():
                backend = "nccl" if on_gpu else "gloo"
                dist.init_process_group(backend, timeout=timedelta(minutes=30))
            if (dist.get_rank(), dist.get_world_size()) != (rank, world_size):
                raise RunError(
                    f"torchrun announced rank {rank} of {world_size}, the process group has rank "
                    f"{dist.get_rank()} of {dist.get_world_size()}. Start the run again."
                )
        return cls(rank=rank, world_size=world_size, device=device)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def barrier(self) -> None:
        if self.world_size > 1:
            dist.barrier()

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, as a new tensor."""
        total = tensor.detach().clone()
        if self.world_size > 1:
            total = total.to(self.device)
            dist.all_reduce(total)
            total = total.to(tensor.device)
        return total

    def broadcast_object(self, value: Result) -> Result:
        """What rank 0 passed in, on every rank."""
        box: list[Result] = [value]
        if self.world_size > 1:
            dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def on_main(self, action: Callable[[], Result]) -> Result:
        """Run the action on rank 0 and give its result, or raise its error, on every rank.

        Without this, an error on rank 0 would leave the others waiting for it for ever.
        """
        outcome: tuple[Result | None, TrainingError | None] = (None, None)
        if self.is_main:
            try:
                outcome = (action(), None)
            except TrainingError as error:
                outcome = (None, error)
        result, problem = self.broadcast_object(outcome)
        if problem is not None:
            raise problem
        return result  # type: ignore[return-value]

    def shard(self, model: nn.Module) -> nn.Module:
        """The model on this device; FSDP2 per decoder layer and at the root with many processes."""
        model.to(self.device)
        if self.world_size > 1:
            for layer in decoder_layers(model):
                fully_shard(layer)
            fully_shard(model)
        return model

    def full_state_dict(self, model: nn.Module) -> dict[str, Tensor]:
        """All weights on the CPU of rank 0, and an empty dict on the others. All ranks call it."""
        if self.world_size == 1:
            return {name: value.detach().cpu() for name, value in model.state_dict().items()}
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(model, options=options)
        return {name: value for name, value in weights.items() if isinstance(value, Tensor)}

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


_CPU = torch.device("cpu")


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The repeated blocks that a Hugging Face model declares as not to be split."""
    names: set[str] = set()
    for module in model.modules():
        names |= set(getattr(module, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in names]
    if not layers:
        raise RunError(
            f"{type(model).__name__} does not say which of its modules are decoder layers, so it "
            "cannot be sharded. Train it in one process."
        )
    return layers
