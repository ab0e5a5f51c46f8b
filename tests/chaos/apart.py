"""Redis on a machine of its own, which loses power while the engine's does not."""

from field import ExternalAlways, ExternalQueue, Field
from harness import volley


class Apart(Field):
    queues = {"always": ExternalAlways, "everysec": ExternalQueue}

    def start(self):
        self.home, self.engine_environment = self.where / "elsewhere", None
        volley(*self.command(), "--hold", check=75)
        self.queue.sync()  # a queue that forgets the whole campaign is another story
        self.start_engine()
