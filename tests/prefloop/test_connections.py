"""Connections are dealt out evenly to the worker processes, and none is lost with a worker."""

from __future__ import annotations

import re
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from helpers.processes import poll_until
from helpers.serving import serve

from app import migrate
from app.db import Database
from prefloop.connections import Dealer

REQUEST = b"GET /sign-in HTTP/1.1\r\nHost: test\r\n\r\n"


def test_kept_connections_are_spread_evenly_over_the_workers(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/prefloop.db"
    database = Database(url)
    migrate.upgrade(database)
    database.dispose()
    with serve(tmp_path, url, "--workers", "2") as serving, ExitStack() as stack:
        clients = [stack.enter_context(serving.connect()) for _ in range(20)]
        for client in clients:
            client.sendall(REQUEST)
        answers = [client.recv(15) for client in clients]

        def told() -> list[str]:
            return re.findall(r"\brequest .*\bpid=(\d+)", serving.log.read_text())

        poll_until(lambda: len(told()) == 20, "a line of each request")
        by_worker = Counter(told())

    assert set(answers) == {b"HTTP/1.1 200 OK"}
    assert sorted(by_worker.values()) == [10, 10]


def test_connections_wait_for_a_worker_and_are_refused_before_and_after():
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    listener.close()
    listener = socket.socket()
    listener.bind(address)
    dealer = Dealer(listener, 2)
    with ExitStack() as stack:
        refused = stack.enter_context(socket.socket())
        assert refused.connect_ex(address) != 0
        dealer.start()
        clients = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(6)]
        taken = []
        for place in (0, 1):
            channel = dealer.channel(place)
            channel.settimeout(10)
            for _ in range(3):
                _, (number,), _, _ = socket.recv_fds(channel, 1, 1)
                taken.append(stack.enter_context(socket.socket(fileno=number)).getpeername())
        dealer.stop()
        late = stack.enter_context(socket.socket())
        assert late.connect_ex(address) != 0

        assert sorted(taken) == sorted(client.getsockname() for client in clients)
