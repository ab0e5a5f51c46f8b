"""Redis on a machine of its own, which loses power while the engine's does not."""

from field import ExternalAlways, ExternalQueue, Field
from harness import volley


class Apart(Field):
    queues = {"always": ExternalAlways, "everysec": ExternalQueue}

    def start(self):
        self.home, self.engine_environment = self.where / "elsewhere", None
        # The list is in the queue, and synced by the time that the first moment comes.
        volley(*self.command(), "--hold", check=75)
        self.start_engine()
