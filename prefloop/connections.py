"""New connections, dealt out to the worker processes.

Left to the kernel, 32 annotators on two workers are often 20 and 12, and the 20 wait longer. Here
the parent takes every connection and hands it to a worker through a Unix socket, evenly. What was
handed to a worker that died waits there for its replacement.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import uvicorn
from uvicorn.supervisors.multiprocess import Process

BACKLOG = 2048
"""Connections that the kernel holds until they are taken."""
FULL_SECONDS = 0.05
"""How soon to try again where no worker takes anything."""


class Dealer:
    """The parent's part."""

    def __init__(self, listener: socket.socket, workers: int) -> None:
        self._listener = listener
        self._channels = [socket.socketpair() for _ in range(workers)]
        for ours, theirs in self._channels:
            ours.setblocking(False)
            theirs.setblocking(False)
        self._stopped = threading.Event()

    def channel(self, place: int) -> socket.socket:
        """Where the worker at this place takes its connections from."""
        return self._channels[place][1]

    def start(self) -> None:
        """Listen, and deal in a thread of its own."""
        self._listener.listen(BACKLOG)
        threading.Thread(target=self._deal, name="connections", daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections."""
        self._stopped.set()
        with suppress(OSError):
            # Wakes whoever waits for one.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _deal(self) -> None:
        places = self._places()
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # Stopped; or the client has gone, or there are too many open files for now.
                self._stopped.wait(FULL_SECONDS)
                continue
            with connection:
                while not self._hand(connection, next(places)):
                    if self._stopped.wait(FULL_SECONDS):
                        return

    def _places(self) -> Iterator[int]:
        """Each worker once in every round; the order changes, because a browser may open its
        connections in a rhythm of its own."""
        order = list(range(len(self._channels)))
        while True:
            random.shuffle(order)
            yield from order

    def _hand(self, connection: socket.socket, place: int) -> bool:
        """Whether the worker can take it; one that hangs cannot for ever."""
        try:
            socket.send_fds(self._channels[place][0], [b"."], [connection.fileno()])
        except BlockingIOError:
            return False
        return True


class Worker(Process):
    """A process of uvicorn's that serves the connections it is handed."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Server(uvicorn.Server):
    """Its only socket is the channel."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None, "a worker is given its channel"
        self._taking: set[asyncio.Task[object]] = set()
        await super().startup([])
        loop = asyncio.get_running_loop()
        loop.add_reader(sockets[0], self._take, loop, sockets[0])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None, "a worker is given its channel"
        asyncio.get_running_loop().remove_reader(sockets[0])
        await super().shutdown(sockets)

    def _take(self, loop: asyncio.AbstractEventLoop, channel: socket.socket) -> None:
        with suppress(BlockingIOError):
            _, found, _, _ = socket.recv_fds(channel, 1, 1)
            for number in found:
                connection = socket.socket(fileno=number)
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                task = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)

    def _protocol(self) -> asyncio.Protocol:
        kind = self.config.http_protocol_class
        return kind(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
