"""Counts instructions per request of ringway-bench-plane under callgrind; see instructions.sh."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time

REQUESTS = 400
WARM = 100
# The least of so many counts is taken: reads that came in pieces, and timers, only add.
REPEATS = 3


def post(path, size):
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, size) + b"x" * size


def chunked(chunks, size):
    head = b"POST /function/f0/tiny HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (b"%x\r\n" % size + b"x" * size + b"\r\n") * chunks + b"0\r\n\r\n"


# Name, request, and how the reply ends.
PATHS = [
    ("get", b"GET /function/f0/tiny HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", b"\r\n\r\nok"),
    ("post-1k-echo", post(b"/function/f0/echo", 1024), b"x" * 1024),
    ("post-64k", post(b"/function/f0/tiny", 65536), b"\r\n\r\nok"),
    ("post-64k-chunked", chunked(16, 4096), b"\r\n\r\nok"),
    ("unknown-function", b"GET /function/none HTTP/1.1\r\nHost: a\r\n\r\n", b"\n"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def count(function, request, reply_end, requests):
    """Instructions of a whole life of the data plane with so many requests."""
    with tempfile.NamedTemporaryFile() as out:
        plane = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             "--combine-dumps=yes", "target/release/ringway-bench-plane",
             "--driver", "epoll", "--function", function],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = plane.stdout.readline().decode().strip()
        if not line:
            sys.exit(f"the data plane does not start: {plane.stderr.read().decode()}")
        host, port = line.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(requests):
                client.sendall(request)
                reply = b""
                while not reply.endswith(reply_end):
                    more = client.recv(65536)
                    if not more:
                        sys.exit(f"the connection ended after {reply!r}")
                    reply += more
        plane.stdin.close()
        log = plane.stderr.read().decode()
        plane.wait()
        found = re.search(r"Collected\s*:\s*(\d+)", log)
        if not found:
            sys.exit(f"callgrind did not tell: {log}")
        return int(found.group(1))


def main():
    file, tolerance, write = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "1"
    # On one core a request is written whole before it is read: every count has the same reads.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    port = free_port()
    function = f"127.0.0.1:{port}"
    server = subprocess.Popen(["target/release/ringway-bench", "serve", "--listen", function])
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.01)
        counted = {}
        for name, request, reply_end in PATHS:
            few, many = (
                min(count(function, request, reply_end, requests) for _ in range(REPEATS))
                for requests in (WARM + REQUESTS, WARM + 2 * REQUESTS)
            )
            counted[name] = round((many - few) / REQUESTS)
    finally:
        server.terminate()
        server.wait()
    if write:
        with open(file, "w", encoding="utf-8") as out:
            out.write("# Instructions per request in user code, epoll driver, release build.\n")
            out.write("# Counted and compared by scripts/instructions.sh.\n")
            for name, instructions in counted.items():
                out.write(f"{name} {instructions}\n")
    wanted = {}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, instructions = line.split()
                wanted[name] = int(instructions)
    passed = failed = 0
    for name, instructions in counted.items():
        before = wanted.get(name)
        if before is None:
            print(f"{name:20} {instructions:8}  not in {file}")
            failed += 1
            continue
        change = (instructions / before - 1) * 100
        ok = abs(change) <= tolerance
        print(f"{name:20} {instructions:8}  was {before:8}  {change:+.1f} %{'' if ok else '  TOO FAR'}")
        passed += ok
        failed += not ok
    if failed:
        print(f"more than {tolerance:g} % off: find out why, or `scripts/instructions.sh --write`")
    print(f"instructions: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
