"""Descriptions of jobs, read once: the template, its variants, and what each of their stages is made of."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue, ValidationError

from stream.errors import BadEvent, BadRequest
from stream.events.jobs import JobSpec
from stream.events.objects import Digest, LostObject
from stream.jobs.expansion import StageOfVariant, Variant, stage_of, variants
from stream.jobs.objects import ContentObjects
from stream.jobs.reading import unfit
from stream.jobs.template import Template

MAX_SPEC_BYTES = 64 << 20
_KEPT = 16


class Operators(Protocol):
    """What the engine asks of media operators; `stream.media.catalogue` is it."""

    def version(self, operator: str) -> int:
        """Raises `BadRequest` (`template_invalid`) for a name that is no operator."""

    def checked(
        self, operator: str, settings: Mapping[str, JsonValue], inputs: tuple[str, ...]
    ) -> dict[str, JsonValue]:
        """The settings with their defaults. Raises `BadRequest` (`template_invalid`)."""

    def outputs(self, operator: str, settings: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """Names of output files to their media types; `settings` as `checked` gave them."""

    def amount(self, operator: str, settings: Mapping[str, JsonValue], inputs: Mapping[str, float]) -> float | None:
        """How much work a stage is, in megapixels of pictures; None where neither settings nor inputs tell. `inputs`:
        the amounts of those that are known. `settings` as `checked` gave them.
        """

    def toolchain(self, operator: str, settings: Mapping[str, JsonValue]) -> dict[str, str]:
        """Raises `Unavailable` (`toolchain_lacks`)."""


@dataclass(frozen=True, slots=True)
class Description:
    """A job as it was submitted, with its variants in order."""

    spec: JobSpec
    template: Template
    variants: tuple[Variant, ...]

    @classmethod
    def of(cls, spec: JobSpec) -> "Description":
        """Raises `BadRequest` (`template_invalid`)."""
        # By the very rules that a person's file is: not every submission was one.
        for problem in unfit(spec.template):
            raise BadRequest(f"template: {problem}", code="template_invalid")
        template = Template.checked(spec.template)
        return cls(spec, template, tuple(variants(template)))

    def stage(self, number: int, index: int) -> StageOfVariant:
        """Raises `BadRequest` (`template_invalid`)."""
        return stage_of(self.template.stages[index], index, self.variants[number], self.template)

    def index_of(self, stage: str) -> int:
        return next(index for index, each in enumerate(self.template.stages) if each.name == stage)


class Descriptions:
    """Those that are at work, by tenant and digest."""

    def __init__(self, objects: Callable[[str], ContentObjects]) -> None:
        self.objects = objects
        self._kept: OrderedDict[tuple[str, Digest], Description] = OrderedDict()

    def of(self, tenant: str, digest: Digest) -> Description:
        """Raises `BadEvent` (`job_unreadable`) where the description is gone or is none."""
        found = self._kept.pop((tenant, digest), None) or self._read(tenant, digest)
        self._kept[tenant, digest] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def _read(self, tenant: str, digest: Digest) -> Description:
        try:
            content = self.objects(tenant).read(digest, MAX_SPEC_BYTES)
            spec = JobSpec.model_validate_json(content)
        except (LostObject, ValidationError) as error:
            raise BadEvent(
                f"the description of the job cannot be read ({type(error).__name__}): submit the job again",
                code="job_unreadable",
            ) from None
        # Whoever may name a digest must not be given another tenant's job by it.
        if spec.tenant != tenant:
            raise BadEvent("the description of the job is another tenant's", code="job_unreadable")
        return Description.of(spec)
