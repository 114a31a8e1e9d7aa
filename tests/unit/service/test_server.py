"""The socket that the service answers at."""

import socket
from pathlib import Path

from stream.service.server import ServiceOptions, listening


def test_a_short_answer_does_not_wait_for_the_client_to_confirm_its_head(tmp_path: Path) -> None:
    with listening(ServiceOptions(tmp_path, port=0)) as at, socket.create_connection(at.getsockname()):
        taken, _ = at.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
