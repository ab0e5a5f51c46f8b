"""A wire tap: stands between a client and a receiver and keeps what passes, in order, to see how they really talked."""

import select
import socket
import threading


class Dialogue:
    """One connection: `events`, (from_client, bytes) in the order in which they passed, and what read() makes of them.

    offered         keywords of the last EHLO reply
    exchanges       (command, code of its reply or None), bodies left out; "." is an end of data
    most_waiting    the most commands that ever waited for their replies: 1 is lock-step
    """

    def __init__(self):
        self.events = []

    def read(self):
        self.offered, self.exchanges, self.most_waiting = set(), [], 0
        answered, greeted, in_body, unread = 0, False, False, {True: b"", False: b""}
        for from_client, data in self.events:
            *lines, unread[from_client] = (unread[from_client] + data).split(b"\r\n")
            for line in lines:
                if from_client:
                    if in_body and line != b".":
                        continue
                    self.exchanges.append((line.decode(), None))
                    self.most_waiting = max(self.most_waiting, len(self.exchanges) - answered)
                    in_body = line == b"DATA"
                    continue
                command = self.exchanges[answered][0] if greeted else ""
                if command.startswith("EHLO"):
                    self.offered.add(line[4:].split(b" ")[0].upper().decode())
                if line[3:4] == b"-":
                    continue
                if greeted:
                    self.exchanges[answered] = (command, int(line[:3]))
                    answered += 1
                greeted = True
        return self


class Recorder:
    """Listens on `port` and passes everything on to the receiver at `target`."""

    def __init__(self, target):
        self.target = target
        self.dialogues = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, body, *arguments):
        self._threads.append(threading.Thread(target=body, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            dialogue = Dialogue()
            self.dialogues.append(dialogue)
            self._start(self._pass_on, client, dialogue)

    def _pass_on(self, client, dialogue):
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            other = {client: server, server: client}
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(1 << 16)
                        other[source].sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    dialogue.events.append((source is client, data))
