"""A range of denoising steps, by the pipeline's own loop.

The loop always runs from its beginning, but steps that are done already are not computed: the network gives zeros, and
the scheduler what it gave the last time. So each family prepares latents, images and guidance by its own code.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from stream.errors import BadMedia
from stream.media.generate.diffusion.families import DENOISERS
from stream.media.generate.diffusion.snapshots import DenoisingState


@dataclass(frozen=True, slots=True)
class StepRange:
    """Steps `first` to `stop` of `steps`; `stop` equal to `first` computes none."""

    first: int
    stop: int
    steps: int


class _Reached(Exception):
    """The last step of the range is done."""


class _Outputs(tuple[torch.Tensor, ...]):
    """What a scheduler or a network gives, by the names that pipelines use, or by place."""

    __slots__ = ()

    @property
    def prev_sample(self) -> torch.Tensor:
        return self[0]

    @property
    def sample(self) -> torch.Tensor:
        return self[0]


def denoised(
    pipeline: Any, call: Mapping[str, Any], span: StepRange, before: DenoisingState | None, tick: Callable[[int], None]
) -> DenoisingState:
    """Compute the steps of `span`. `before`: after its first steps, if it does not begin at 0. `tick` is called with
    the number of steps that are done, many times within each. Raises what `tick` raises.
    """
    stepper = _Stepper(pipeline, call["generator"], span, before, tick)
    with _patched(pipeline, stepper):
        try:
            pipeline(**call)
        except _Reached:
            return stepper.snapshot()
    raise _steps_differ(stepper.index, span.steps)


def decoded(
    pipeline: Any, call: Mapping[str, Any], after: DenoisingState, steps: int, tick: Callable[[int], None]
) -> Any:
    """What the pipeline gives after all its steps are done."""
    stepper = _Stepper(pipeline, call["generator"], StepRange(steps, steps, steps), after, tick)
    with _patched(pipeline, stepper):
        result = pipeline(**call)
    if stepper.index != steps:
        raise _steps_differ(stepper.index, steps)
    return result


class _Stepper:
    """Stands in for the scheduler's step, the network and the text encoder during one call of a pipeline."""

    def __init__(
        self,
        pipeline: Any,
        generator: torch.Generator,
        span: StepRange,
        before: DenoisingState | None,
        tick: Callable[[int], None],
    ) -> None:
        # A fresh one: what an earlier call left in it must not be in this one's state.
        self.scheduler = pipeline.scheduler = pipeline.scheduler.from_config(pipeline.scheduler.config)
        self._generator = generator
        self._span = span
        self._before = before
        self._tick = tick
        self.index = 0
        self._outputs: tuple[torch.Tensor, ...] = ()
        self._gives: torch.Tensor | None = None
        self._prompt = None if before is None else before.prompt

    def step(self, real: Callable[..., Any], *args: Any, return_dict: bool = True, **more: Any) -> Any:
        index = self.index
        self.index += 1
        if len(self.scheduler.timesteps) != self._span.steps or index >= self._span.steps:
            raise _steps_differ(len(self.scheduler.timesteps), self._span.steps)
        if index < self._span.first:
            assert self._before is not None
            if self.index == self._span.first:
                self._restore(self._before)
            outputs = self._before.outputs
        else:
            outputs = self._outputs = tuple(real(*args, return_dict=False, **more))
            if self.index == self._span.stop:
                raise _Reached
        return _Outputs(outputs) if return_dict else tuple(outputs)

    def forward(self, real: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if self.index < self._span.first:
            assert self._before is not None
            return _Outputs((torch.zeros(self._before.shape, dtype=getattr(torch, self._before.dtype)),))
        given = real(*args, **more)
        self._gives = given[0]
        return given

    def encode(self, real: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if self._prompt is None:
            self._prompt = tuple(real(*args, **more))
        return self._prompt

    def within(self, *_: Any) -> None:
        """Called before each layer of any component."""
        self._tick(self.index)

    def snapshot(self) -> DenoisingState:
        assert self._gives is not None
        if not all(bool(torch.isfinite(each).all()) for each in self._outputs):
            raise BadMedia(
                f"the model gave numbers that are none after step {self.index}: use another guidance or scheduler",
                code="model_failed",
            )
        return DenoisingState(
            done=self.index,
            outputs=self._outputs,
            scheduler=_state(self.scheduler),
            generator=self._generator.get_state(),
            torch_rng=torch.get_rng_state(),
            shape=tuple(self._gives.shape),
            dtype=str(self._gives.dtype).removeprefix("torch."),
            prompt=self._prompt,
        )

    def _restore(self, before: DenoisingState) -> None:
        for name, value in before.scheduler.items():
            # A file must not replace a method.
            if not hasattr(type(self.scheduler), name):
                setattr(self.scheduler, name, value)
        self._generator.set_state(before.generator)
        torch.set_rng_state(before.torch_rng)


def _state(scheduler: Any) -> dict[str, Any]:
    """All that it keeps between steps, and not its configuration, which is the model's."""
    return {name: value for name, value in vars(scheduler).items() if name != "_internal_dict" and not callable(value)}


@contextmanager
def _patched(pipeline: Any, stepper: _Stepper) -> Iterator[None]:
    """Methods of these very objects are replaced, so that the loop finds ours; afterwards they are as before."""
    scheduler = stepper.scheduler
    replaced = [(scheduler, "step", stepper.step)]
    networks = [found for name in DENOISERS if (found := getattr(pipeline, name, None)) is not None]
    replaced += [(network, "forward", stepper.forward) for network in networks]
    if hasattr(pipeline, "encode_prompt"):
        replaced.append((pipeline, "encode_prompt", stepper.encode))
    hooks = [
        module.register_forward_pre_hook(stepper.within)
        for component in pipeline.components.values()
        if isinstance(component, torch.nn.Module)
        for module in component.modules()
    ]
    for owner, name, ours in replaced:
        real = getattr(owner, name)
        # With the signature of the real one: pipelines ask which arguments it takes.
        setattr(owner, name, functools.wraps(real)(functools.partial(ours, real)))
    try:
        yield
    finally:
        for owner, name, _ in replaced:
            delattr(owner, name)
        for hook in hooks:
            hook.remove()


def _steps_differ(found: int, wanted: int) -> BadMedia:
    return BadMedia(
        f"steps: the model's scheduler makes {found} steps of {wanted}, so it cannot be divided: use another",
        code="model_not_resumable",
    )
