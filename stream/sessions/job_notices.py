"""Notices of jobs that one process works on by itself: posted when its work rests, as its broker keeps nothing."""

import logging
from typing import TYPE_CHECKING

from stream.clock import Clock
from stream.errors import BadEvent, Retryable, StageError, Unavailable
from stream.events.base import Event
from stream.jobs.notices import Notices
from stream.jobs.register import JobRegister
from stream.pipelines.jobs import JobSettings

_DELAYS_S = (1.0, 2.0, 4.0)
if TYPE_CHECKING:
    from stream.operators.webhook import WebhookOperator

_log = logging.getLogger(__name__)


def post_notices(settings: JobSettings, clock: Clock) -> None:
    """Post what nobody was told yet; nobody is told later what came while there was no webhook. One that cannot be
    posted waits for the next run, under the same id and in the same words. The caller holds the register alone.
    """
    if not settings.register.exists():
        return
    register = JobRegister(settings.register)
    try:
        notices = Notices(register, clock)
        unsent: list[Event] = [*notices.unsent()]
        if settings.webhook is not None and unsent:
            # Only who posts needs what speaks HTTP.
            from stream.operators.webhook import WebhookOperator

            unsent = _posted(WebhookOperator(settings.webhook, clock), unsent, clock)
        with register.changing():
            for event in unsent:
                notices.sent(event.id)
    finally:
        register.close()


def _posted(webhook: "WebhookOperator", unsent: list[Event], clock: Clock) -> list[Event]:
    """Those that are done with: the receiver took them, or said that it never will."""
    webhook.open()
    try:
        found = []
        for event in unsent:
            try:
                _post(webhook, event, clock)
            except BadEvent as refused:
                _log.warning("%s (%s)", refused.message, refused.code)
            except StageError as error:
                _log.warning("%s (%s); the next run tells it", error.message, error.code)
                break
            found.append(event)
        return found
    finally:
        webhook.close()


def _post(webhook: "WebhookOperator", event: Event, clock: Clock) -> None:
    for delay_s in _DELAYS_S:
        try:
            webhook.process([event])
        except (Retryable, Unavailable):
            clock.sleep(delay_s)
        else:
            return
    webhook.process([event])
