#!/usr/bin/env python3
"""Checks every #include of the engine's sources against the two tables of docs/architecture.md.

Usage: layering.py [SOURCE_DIR]      prints each offence as file:line and exits 1 when there is one
       layering.py --self-test       proves that it can fail

Our own headers: which box may see which (BOXES). Third-party headers: which boxes may see which library (LIBRARIES).
Third-party types stay behind walls: a header that includes a library may be included by its own box only.
Tests and benchmarks may look anywhere and are not checked. The queue's Lua files are loaded in the order of their numbers: each
number is one file's, and a function is one page.
"""
import os
import re
import sys
import tempfile

EVERYTHING = {
    "base", "base/net", "metrics", "dns", "queue", "engine/smtp", "engine/message", "engine/http", "engine/delivery",
    "engine/intake", "engine/sink", "engine/cli", "engine/app",
}

# box: (what it may include besides itself, why no more)
BOXES = {
    "base": (set(), "the ground: nothing of ours below it"),
    "base/net": ({"base"}, "bytes, timers and processes; knows no protocol"),
    "metrics": ({"base"}, "counts; whoever counts calls it, it calls nobody"),
    "dns": ({"base", "base/net", "metrics"}, "answers names; knows nothing of mail beyond MX rules"),
    "queue": ({"base", "base/net", "metrics"}, "where intake and delivery meet, so it may know neither"),
    "engine/smtp": ({"base"}, "sans-IO: never base/net, so that every dialogue is a socket-free test"),
    "engine/message": ({"base"}, "from recipient to bytes: pure"),
    "engine/http": ({"base"}, "the frame only; what the routes do belongs to who registers them"),
    "engine/delivery": (
        {"engine/smtp", "engine/message", "engine/http", "queue", "dns", "metrics", "base", "base/net"},
        "never intake: they meet in the queue",
    ),
    "engine/intake": (
        {"engine/smtp", "engine/http", "engine/message", "queue", "metrics", "base", "base/net"},
        "never delivery: they meet in the queue",
    ),
    "engine/sink": ({"engine/smtp", "base", "base/net"}, "a receiver to test against shares nothing with the sender"),
    "engine/cli": (
        EVERYTHING - {"engine/app", "engine/delivery", "engine/cli"},
        "app hands it the engine behind a small interface",
    ),
    "engine/app": (EVERYTHING - {"engine/app"}, "wires everything; nothing includes it"),
}

# library: (pattern of its headers, boxes that may see it, why there)
LIBRARIES = {
    "libuv": (r"uv(\.h$|/)", {"base/net"}, "the event loop has one owner"),
    "openssl": (r"openssl/", {"base", "base/net", "engine/message"}, "hashes, TLS streams, DKIM signatures"),
    "c-ares": (r"ares(_\w+)?\.h$", {"dns"}, "behind the resolver interface"),
    "hiredis": (r"hiredis/", {"queue"}, "the queue speaks Redis, nobody else"),
    "prometheus-cpp": (r"prometheus/", {"metrics"}, "one exporter"),
    "cpp-httplib": (r"httplib\.h$", {"engine/http"}, "one HTTP frame"),
    "CLI11": (r"CLI/", {"engine/cli", "engine/app"}, "command lines"),
    "toml++": (r"toml(\+\+|plusplus)/", {"base"}, "base/config.cc only: all else reads Config"),
    "nlohmann-json": (r"nlohmann/", EVERYTHING - {"base", "base/net"}, "data formats; base has none"),
    "simdjson": (r"simdjson\.h$", {"engine/intake"}, "bulk import"),
    "spdlog": (r"spdlog/", {"base"}, "base/log.cc only: all else calls log_*()"),
    "fmt": (r"fmt/", EVERYTHING, "formatting, in .cc files"),
    "re2": (r"re2/", {"engine/smtp"}, "reply rules"),
    "zstd": (r"(zstd|zdict|zstd_errors)\.h$", {"queue"}, "packs chunks"),
    "libidn2": (r"idn2\.h$", {"base"}, "base/address.cc: one place decides what a domain is"),
    "xxhash": (r"xxhash\.h$", {"base"}, "base/hash.cc"),
    "date": (r"date/", {"base"}, "base/zones.h: time zones, until the compiler's <chrono> has them"),
    "libpsl": (r"libpsl\.h$", {"dns"}, "organisational domains"),
    "gmime": (r"gmime/", {"engine/intake"}, "inbound reports"),
}

# Narrower than a box: these libraries have exactly these files.
ONLY_FILES = {
    "toml++": {"base/config.cc"},
    "spdlog": {"base/log.cc"},
    "libidn2": {"base/address.cc"},
    "date": {"base/zones.h"},
}

# The system: C and POSIX, wherever needed.
SYSTEM = re.compile(
    r"^(sys|netinet|arpa|linux|net)/[\w./]+$|^(unistd|fcntl|poll|signal|netdb|pwd|grp|termios|locale|wctype|wchar|spawn"
    r"|dirent|getopt|pthread|semaphore|sched|syslog|sysexits|time|errno|string|strings|stdio|stdlib|stdint|stddef|ctype|limits"
    r"|math|iconv|langinfo|libgen|glob|fnmatch|dlfcn|execinfo|resolv|ifaddrs|endian|byteswap|immintrin|malloc)\.h$"
)
STANDARD = re.compile(r"^[a-z_0-9]+$")  # <vector>, <cstdint>
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ROOTS = ("base", "metrics", "dns", "queue", "engine")


def box_of(path):
    """The box a file belongs to: the longest box name that is a folder above it."""
    folder = os.path.dirname(path)
    while folder and folder not in BOXES:
        folder = os.path.dirname(folder)
    return folder or None


def library_of(header):
    for name, (pattern, _, _) in LIBRARIES.items():
        if re.match(pattern, header):
            return name
    return None


def sources(root):
    for top in ROOTS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                if name.endswith((".h", ".cc", ".inc")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def check_third_party(path, box, header):
    if STANDARD.match(header) or SYSTEM.match(header):
        return None
    library = library_of(header)
    if not library:
        return f"<{header}> is of no known library: give it a row in the table, with a reason"
    _, allowed, reason = LIBRARIES[library]
    if box not in allowed:
        return f"{box} may not include {library} (<{header}>): {reason}; allowed in {', '.join(sorted(allowed))}"
    if path not in ONLY_FILES.get(library, {path}):
        return f"{library} (<{header}>) belongs in {', '.join(ONLY_FILES[library])} only"
    if library == "fmt" and path.endswith(".h"):
        return f"<{header}> in a header: fmt is for .cc files"
    return None


def check_own(root, box, header, heavy):
    if not os.path.exists(os.path.join(root, header)):
        return f'"{header}" is no file of ours: include by the full path from the root'
    target = box_of(header)
    if target is None:
        return f'"{header}" is in no box'
    if target != box and target not in BOXES[box][0]:
        return f'{box} may not include {target} ("{header}"): {BOXES[box][1]}'
    if target != box and header in heavy:
        return f'"{header}" includes {heavy[header]} and is private to {target}'
    return None


FUNCTIONS = "queue/functions"
FUNCTION_LINES = 60


def check_functions(root):
    """The parts of the Lua library: one file a number, no function longer than a page."""
    offences, numbers = [], {}
    folder = os.path.join(root, FUNCTIONS)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not name.endswith(".lua"):
            continue
        path = f"{FUNCTIONS}/{name}"
        first = numbers.setdefault(name.split("_")[0], path)
        if first != path:
            offences.append(f"{path}:1: its number is that of {first}, too")
        with open(os.path.join(root, path), encoding="utf-8") as file:
            begin = 0
            for number, line in enumerate(file, 1):
                if line.startswith("local function"):
                    begin = number
                if line.rstrip() == "end" and begin:
                    if number - begin + 1 > FUNCTION_LINES:
                        offences.append(f"{path}:{begin}: a function of {number - begin + 1} lines: {FUNCTION_LINES} are a page")
                    begin = 0  # another `end` at the margin is not this function's
    return offences


def check(root):
    offences = check_cmake(root) + check_functions(root)
    heavy = {}  # header of ours -> library it includes
    for path in sources(root):
        if path.endswith(".h"):
            for _, quoted, header in includes(root, path):
                library = None if quoted else library_of(header)
                if library and library != "fmt":
                    heavy[path] = library
    for path in sources(root):
        box = box_of(path)
        if box is None:
            offences.append(f"{path}:1: in no box of the table")
            continue
        for number, quoted, header in includes(root, path):
            wrong = check_own(root, box, header, heavy) if quoted else check_third_party(path, box, header)
            if wrong:
                offences.append(f"{path}:{number}: {wrong}")
    return offences


CMAKE_BOX = re.compile(r"^volley_box\((\w+)\s(.*?)\)", re.MULTILINE | re.DOTALL)


def check_cmake(root):
    """What a box links (BOXES of volley_box) must be what its folder may include."""
    declared = {}  # CMake name -> (file, line, folder, names linked)
    for top in ROOTS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            if "CMakeLists.txt" not in files:
                continue
            path = os.path.relpath(os.path.join(folder, "CMakeLists.txt"), root)
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
            for match in CMAKE_BOX.finditer(text):
                boxes = re.search(r"\bBOXES\s+((?:[a-z_0-9]+\s*)+)", match.group(2))
                line = text.count("\n", 0, match.start()) + 1
                names = boxes.group(1).split() if boxes else []
                declared[match.group(1)] = (path, line, os.path.dirname(path), names)
    offences = []
    for name, (path, line, folder, linked) in sorted(declared.items()):
        for other in linked:
            target = declared[other][2] if other in declared else None
            if target is None:
                offences.append(f"{path}:{line}: {name} links {other}, which no CMakeLists.txt declares")
            elif target != folder and target not in BOXES.get(folder, (set(), ""))[0]:
                offences.append(f"{path}:{line}: {folder} may not link {target}: {BOXES[folder][1]}")
    return offences


def self_test():
    cases = {
        "base/a.h": ("#include <vector>\n", None),
        "base/bad1.cc": ('#include "base/net/n.h"\n', "may not include base/net"),
        "base/bad2.cc": ("#include <uv.h>\n", "may not include libuv"),
        "base/bad3.cc": ("#include <toml++/toml.h>\n", "base/config.cc only"),
        "base/bad4.h": ("#include <fmt/format.h>\n", "for .cc files"),
        "base/bad5.cc": ("#include <boost/any.hpp>\n", "no known library"),
        "base/net/n.h": ('#include "base/a.h"\n', None),
        "base/net/private.h": ("#include <uv.h>\n", None),
        "base/net/good.cc": ('#include "base/net/private.h"\n#include <sys/socket.h>\n', None),
        "dns/bad6.cc": ('#include "base/net/private.h"\n', "private to base/net"),
        "engine/smtp/bad7.cc": ('#  include "base/net/n.h"\n', "sans-IO"),
        "engine/intake/i.h": ("\n", None),
        "engine/delivery/bad8.cc": ('\n\n#include "engine/intake/i.h"\n', "bad8.cc:3: engine/delivery may not"),
        "engine/cli/bad9.cc": ('#include "i.h"\n', "full path"),
        "engine/app/main.cc": ('#include "engine/intake/i.h"\n#include "dns/d.h"\n', None),
        "dns/d.h": ("\n", None),
        "engine/stray.cc": ("\n", "in no box"),
        "base/CMakeLists.txt": ("volley_box(base\n  SOURCES a.cc)\n", None),
        "dns/CMakeLists.txt": ("volley_box(dns SOURCES d.cc BOXES base PKGS libcares)\n", None),
        "queue/functions/10_a.lua": ("local function f()\nend\n", None),
        "queue/functions/10_b.lua": ("\n", "is that of queue/functions/10_a.lua"),
        "queue/functions/20_c.lua": ("local function f()\n" + "\n" * 58 + "end\n", None),
        "queue/functions/30_d.lua": ("\nlocal function f()\n" + "\n" * 59 + "end\n", "30_d.lua:2: a function of 61 lines"),
        "queue/functions/40_e.lua": ("local function f()\nend\n" + "\n" * 60 + "do\nend\n", None),
        "engine/message/CMakeLists.txt": ("volley_box(message\n  SOURCES m.cc\n  BOXES base dns)\n", "may not link dns"),
    }
    with tempfile.TemporaryDirectory() as root:
        for path, (text, _) in cases.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        offences = check(root)
    failed = False
    for path, (_, expected) in cases.items():
        mine = [o for o in offences if o.startswith(path + ":")]
        good = not mine if expected is None else len(mine) == 1 and expected in mine[0]
        if not good:
            failed = True
            print(f"self-test: {path}: expected {expected!r}, got {mine}")
    return 1 if failed else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    offences = check(root)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
