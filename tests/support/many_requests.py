"""Many requests in the air at once, and what was answered of them before their server went away."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

# Half of the connections that the service takes: near that bound it also counts the tasks that just end. Each has four
# requests in the air.
CONNECTIONS, PIPELINED = 250, 4


@dataclass(frozen=True, slots=True)
class Answer:
    """One that came whole. `asked` is the number of its request."""

    asked: int
    status: int
    headers: dict[str, str]

    @property
    def ids(self) -> list[str]:
        """Of the accesses that the audit trail has of it."""
        return self.headers["x-request-id"].split(", ")


@dataclass(slots=True)
class Flood:
    """`request` makes the bytes of the request of a number."""

    port: int
    request: Callable[[int], bytes]
    numbers: Iterator[int]
    stop_after: int
    stop: Callable[[], None]
    sent: int = 0

    async def run(self) -> tuple[list[Answer], int]:
        """Until the server is gone, which `stop` sees to after `stop_after` answers; with how many requests had no
        answer then.
        """
        answers: list[Answer] = []
        links = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", self.port) for _ in range(CONNECTIONS)))
        await asyncio.gather(*(self._link(reader, writer, answers) for reader, writer in links))
        return answers, self.sent - len(answers)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: list[Answer]) -> None:
        waiting = [next(self.numbers) for _ in range(PIPELINED)]
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(b"".join(map(self.request, waiting)))
            self.sent += PIPELINED
            while True:
                status, headers = await _answered(reader)
                answers.append(Answer(waiting.pop(0), status, headers))
                if len(answers) == self.stop_after:
                    self.stop()
                waiting.append(next(self.numbers))
                writer.write(self.request(waiting[-1]))
                self.sent += 1
        writer.close()


async def _answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The next answer, whole. Raises `IncompleteReadError` where there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers


def flooded(
    port: int, request: Callable[[int], bytes], *, stop_after: int, stop: Callable[[], None], first: int = 0
) -> tuple[list[Answer], int]:
    """Requests from number `first` on, a thousand of them in the air at any time, until the server is gone."""
    return asyncio.run(Flood(port, request, count(first), stop_after, stop).run())
