"""Two `volley serve` on one Redis, each with a data directory of its own, sending one campaign."""

from field import ExternalAlways, ExternalQueue, Field, PATIENCE
from harness import VOLLEY, Process, summary, volley, wait_until

PARTITIONS = 64


class Pair(Field):
    queues = {"always": ExternalAlways, "everysec": ExternalQueue}

    def start(self):
        volley("send", self.campaign, *self.place(), *self.routes(), "--hold", check=75)
        self.engines = {}
        for name in ("one", "two"):
            self.start_engine(name)
        wait_until(lambda: sum(self.owned().values()) == PARTITIONS, "all partitions to be owned")
        volley("campaign", "resume", "test", *self.place(), check=0)

    def start_engine(self, name):
        self.starts += 1
        self.engines[name] = Process([VOLLEY, "serve", *self.place(name), *self.routes(), "--http", "127.0.0.1:0"],
                                     self.where / f"{name}{self.starts}.log")
        wait_until(lambda: "listening" in self.engines[name].text(), "the engine to listen")

    def owners(self):
        """By partition: the owner's record."""
        script = """local all = {}
                    for p = 0, 63 do
                      local own = redis.call('HMGET', string.format('volley:{p%02d}:own', p), 'owner', 'epoch')
                      all[#all + 1] = (own[1] or '') .. ' ' .. (own[2] or '')
                    end
                    return table.concat(all, '\\n')"""
        return [line.split(" ") for line in self.queue.client("EVAL", script, "0").splitlines() if " " in line]

    def owned(self):
        """By engine: how many partitions are its own, by the queue."""
        ids = {name: (self.home / name / "instance").read_text() for name in self.engines}
        owners = [owner for owner, _ in self.owners()]
        return {name: owners.count(ids[name]) for name in ids}

    def epochs(self):
        return [int(epoch) for _, epoch in self.owners()]

    def busier(self):
        owned = self.owned()
        return max(owned, key=owned.get)

    def over(self):
        return self.received() >= self.recipients

    def show(self):
        return summary(volley("campaign", "show", "test", *self.place(), "--json", check=0))

    def state(self):
        return self.show()["state"]

    def finish(self):
        wait_until(lambda: self.state() == "finished", "the campaign to be sent", PATIENCE)
        for engine in self.engines.values():
            engine.stop()
        return self.judge(self.show())

    def place(self, data="importer"):
        return super().place(data)

    def stop(self):
        for engine in getattr(self, "engines", {}).values():
            engine.stop()
        super().stop()
