"""Power loss: what power.c noted, and the directory as a disk would have it after the power came back."""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().with_name("power.c")


@functools.cache
def build():
    """The library, made anew; it goes with the process."""
    folder = tempfile.mkdtemp(prefix="volley-power-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = pathlib.Path(folder) / "power.so"
    subprocess.run(["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o", library, SOURCE, "-ldl"],
                   check=True)
    return library


class Disk:
    """A directory that is watched. Processes that run with environment() in theirs write there; once all of them are gone,
    lose_power() takes away what was not synced."""

    def __init__(self, root, notes):
        self.root, self.notes = pathlib.Path(root), pathlib.Path(notes)
        self._library = build()
        (self.notes / "kept").mkdir(parents=True)
        self._begin()

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self._library), "VOLLEY_POWER_ROOT": str(self.root), "VOLLEY_POWER_NOTES": str(self.notes)}

    def lose_power(self, rng):
        """rng decides how bad it is: three times of ten nothing that was not synced is there any more; else each file has a part of
        it, all or nothing, and each directory its old names or its new ones. Returns bytes lost."""
        names, sizes = self._durable()
        live = {path: path.stat().st_ino for path in self._files()}
        places = {ino: self.notes / "kept" / str(ino) for ino in map(int, os.listdir(self.notes / "kept"))}
        places.update({ino: path for path, ino in live.items()})
        worst = rng.random() < 0.3
        after = {}
        for folder in sorted({path.parent for path in [*names, *live]}):
            side = names if worst or rng.random() < 0.5 else live
            after.update({path: ino for path, ino in side.items() if path.parent == folder and ino in places})
        lost = 0
        staging = self.notes / "after"
        for path, ino in after.items():
            there, synced = places[ino].stat().st_size, sizes.get(ino, 0)
            size = min(there, synced if worst else rng.choice([synced, there, rng.randint(min(synced, there), there)]))
            lost += there - size
            os.truncate(places[ino], size)
            copy = staging / path.relative_to(self.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(places[ino], copy)
        self._replace(after, staging)
        self._begin()
        return lost

    def _files(self):
        return [pathlib.Path(folder) / name for folder, _, names in os.walk(self.root) for name in names
                if os.path.isfile(os.path.join(folder, name))]

    def _begin(self):
        """What is there now is durable."""
        shutil.rmtree(self.notes / "kept")
        shutil.rmtree(self.notes / "after", ignore_errors=True)
        (self.notes / "kept").mkdir()
        (self.notes / "notes").write_bytes(b"")
        self._folders = {pathlib.Path(folder) for folder, *_ in os.walk(self.root)}
        self._names = {path: path.stat().st_ino for path in self._files()}
        self._sizes = {path.stat().st_ino: path.stat().st_size for path in self._files()}

    def _durable(self):
        """({path: inode}, {inode: size}) by the notes."""
        names, sizes = dict(self._names), dict(self._sizes)
        for line in (self.notes / "notes").read_text(errors="surrogateescape").splitlines():
            kind, rest = line.split(" ", 1)
            if kind == "S":
                ino, size, path = rest.split(" ", 2)
                sizes[int(ino)] = max(sizes.get(int(ino), 0), int(size))
                if int(ino) not in names.values() and not path.endswith(" (deleted)"):
                    names[pathlib.Path(path)] = int(ino)
            elif kind == "T":
                ino, size = map(int, rest.split())
                sizes[ino] = min(sizes.get(ino, 0), size)
            else:
                folder, *entries = rest.split("\t")
                names = {path: ino for path, ino in names.items() if path.parent != pathlib.Path(folder)}
                for entry in entries:
                    ino, name = entry.split(" ", 1)
                    names[pathlib.Path(folder) / name] = int(ino)
        return names, sizes

    def _replace(self, after, staging):
        for folder, folders, names in os.walk(self.root, topdown=False):
            for name in names:
                os.unlink(os.path.join(folder, name))
        for path in after:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(staging / path.relative_to(self.root), path)
        for folder, *_ in os.walk(self.root, topdown=False):
            if pathlib.Path(folder) not in self._folders and not os.listdir(folder):
                os.rmdir(folder)
