"""The table of results: printed, and kept in a document between two marks, where a new row takes the place of the old one."""

BEGIN, END = "<!-- tests/chaos/run --write: begin -->", "<!-- tests/chaos/run --write: end -->"
COLUMNS = ["fault", "while", "appendfsync", "moments", "lost", "twice", "allowed", "in doubt", "recovery s, median (longest)"]


def line(cells):
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells) + " |"


class Table:
    head = line(COLUMNS) + "\n|---|---|---|--:|--:|--:|--:|--:|--:|"

    def __init__(self, document):
        self._document = document

    def put(self, key, values):
        row = line([*key, *values])
        if self._document:
            text = self._document.read_text()
            before, rest = text.split(BEGIN)
            old, after = rest.split(END)
            rows = [each for each in old.strip().splitlines()[2:] if each]
            place = next((i for i, each in enumerate(rows) if each.startswith(line(key)[:-1])), len(rows))
            rows[place:place + 1] = [row]
            self._document.write_text("\n".join([before + BEGIN, self.head, *rows, END]) + after)
        return row
