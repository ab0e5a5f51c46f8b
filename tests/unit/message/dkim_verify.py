#!/usr/bin/env python3
"""Reads what message_corpus writes with python3-dkim and Python's email package: every signature must verify, and every
text, header and file must come back as it went in. Usage: dkim_verify.py MESSAGE_CORPUS [COUNT [SEED]]"""
import email
import email.header
import email.policy
import email.utils
import json
import re
import subprocess
import sys

try:
    import dkim
except ImportError:
    print("SKIPPED: python3-dkim is not installed")
    sys.exit(77)


def line_ends(text):
    return re.sub(r"\r\n|\r|\n", "\n", text)


def html_escape(text):
    for raw, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(raw, entity)
    return text


def body(pieces, html=False):
    text = ""
    for kind, piece in pieces:
        text += line_ends(html_escape(piece) if html and kind == "val" else piece)
    return text if text.endswith("\n") else text + "\n"


def one_line(pieces):
    text = "".join(piece for _, piece in pieces)
    return re.sub(r"[\x00-\x1f\x7f]", " ", text).strip(" ")


def decoded(value):
    """A header as RFC 2047 has it, unfolded."""
    value = re.sub(r"\r?\n(?=[ \t])", "", value)
    return str(email.header.make_header(email.header.decode_header(value)))


def expect(name, got, want):
    if got != want:
        raise AssertionError(f"{name}: got {got!r}, want {want!r}")


def check_octets(raw):
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\x00", raw), "lone CR or LF, or NUL"
    assert max(raw) < 128, "8-bit octet"
    assert raw.endswith(b"\r\n"), "no CRLF at the end"
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998, "line over 998 octets"
    for line in raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        assert line.strip(), "blank continuation line"


def check_signatures(raw, records):
    def dns(name, timeout=5):
        return records[name.decode().rstrip(".")].encode()

    signatures = raw.split(b"\r\n\r\n", 1)[0].count(b"DKIM-Signature:")
    expect("signatures", signatures, 2)
    for index in range(signatures):
        assert dkim.DKIM(raw).verify(idx=index, dnsfunc=dns), f"signature {index} does not verify"


def check_part(part, want):
    got = part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")
    # Inside a multipart the last line end may belong to the boundary.
    if got not in (want, want[:-1]):
        expect(part.get_content_type(), got, want)


def check_files(parts, want, disposition):
    expect(disposition, len(parts), len(want))
    for part, file in zip(parts, want):
        expect("file name", part.get_filename(), file["name"])
        expect("file type", part.get_content_type(), "application/x-test")
        expect("file bytes", part.get_payload(decode=True).hex(), file["hex"])
        if file["cid"]:
            expect("Content-ID", part["Content-ID"], "<" + file["cid"] + ">")


def check_message(case, records):
    raw = bytes.fromhex(case["message"])
    check_signatures(raw, records)
    # The address in To is all that may be raw UTF-8; the email package gets an ASCII one to read.
    address = case["address"].encode()
    if not address.isascii():
        expect("addresses beyond ASCII", raw.count(address), 1)
        raw = raw.replace(address, b"someone@example.org")
    check_octets(raw)
    plain = email.message_from_bytes(raw, policy=email.policy.compat32)
    for message in (plain, email.message_from_bytes(raw, policy=email.policy.default)):
        assert not message.defects, message.defects
    expect("Subject", decoded(plain["Subject"]), one_line(case["subject"]))
    odd = one_line(case["odd"])
    expect("X-Odd", decoded(plain["X-Odd"]) if odd else plain["X-Odd"], odd or None)
    # Not the modern policy's addresses: up to Python 3.11 it keeps the blanks between adjacent encoded-words of a phrase.
    for name, address, display in (("From", "news@example.com", case["from"].replace("\t", " ")),
                                   ("To", "someone@example.org", one_line(case["to"]))):
        phrase, got = email.utils.parseaddr(re.sub(r"\r?\n(?=[ \t])", "", plain[name]))
        expect(name, got, address)
        # How many blanks stand between a phrase's words carries no meaning.
        expect(name, re.sub(" +", " ", decoded(phrase)).strip(), re.sub(" +", " ", display).strip())
    leaves = [part for part in plain.walk() if not part.is_multipart()]
    for part in leaves:
        assert not part.defects, part.defects
    texts = [p for p in leaves if p.get_content_disposition() is None]
    want = [(kind, body(case[key], key == "html")) for key, kind in (("text", "text/plain"), ("html", "text/html"))
            if key in case]
    expect("parts", [p.get_content_type() for p in texts], [kind for kind, _ in want])
    for part, (_, text) in zip(texts, want):
        check_part(part, text)
    check_files([p for p in leaves if p.get_content_disposition() == "inline"], case.get("inline", []), "inline")
    check_files([p for p in leaves if p.get_content_disposition() == "attachment"], case["attached"], "attachment")


def main():
    binary, count, seed = sys.argv[1:] + ["1000", "1"][len(sys.argv) - 2:]
    out = subprocess.run([binary, count, seed], stdout=subprocess.PIPE, check=True).stdout
    lines = out.decode("utf-8").splitlines()
    records = json.loads(lines[0])
    bad = 0
    for number, line in enumerate(lines[1:], 1):
        try:
            check_message(json.loads(line), records)
        except Exception as error:  # a fault of any kind is that message's fault
            bad += 1
            if bad <= 10:
                print(f"message {number}: {type(error).__name__}: {error}")
    print(f"{len(lines) - 1} messages, {bad} bad")
    if bad or len(lines) - 1 != int(count):
        sys.exit(1)


main()
