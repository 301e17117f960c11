"""Takes the locks of kazoo, and of scripts that follow tutorials, as it is told
on its input, one command a line:

  take ID KIND SERVERS PATH                in a session of its own; says "ID held",
                                           and a script before it "ID waits"
  give ID                                  says "ID given"
  loop ID KIND SERVERS PATH ROUNDS INSIDE  takes and gives; says "ID done", and
                                           "ID beside NAMES" when INSIDE showed others

What fails says "ID failed MESSAGE".
"""
import sys
import threading

from kazoo.client import KazooClient

import tutorials

printing = threading.Lock()
given = {}


def say(*words):
    with printing:
        print(*words, flush=True)


def make(kind, client, path, waits=lambda: None):
    """Returns what takes the lock and what gives it up."""
    if kind in tutorials.KINDS:
        script = tutorials.KINDS[kind](client, path, waits)
        return script.take, script.give
    lock = {
        "lock": lambda: client.Lock(path, "kazoo"),
        "extra": lambda: client.Lock(path, "kazoo", extra_lock_patterns=["lock-"]),
        "read": lambda: client.ReadLock(path, "kazoo"),
        "write": lambda: client.WriteLock(path, "kazoo"),
    }[kind]()
    return lock.acquire, lock.release


def take(id, kind, servers, path):
    client = KazooClient(hosts=servers, timeout=10)
    client.start(timeout=30)
    take, give = make(kind, client, path, lambda: say(id, "waits"))
    take()
    say(id, "held")
    given[id].wait()
    give()
    client.stop()
    client.close()
    say(id, "given")


def loop(id, kind, servers, path, rounds, inside):
    client = KazooClient(hosts=servers, timeout=10)
    client.start(timeout=30)
    take, give = make(kind, client, path)
    # Who sees it, and whether others may hold beside it, stands in the name.
    family = "script" if kind in tutorials.KINDS else "kazoo"
    name = "-".join(["shared" if kind == "read" else "exclusive", family, id])
    for _ in range(rounds):
        take()
        client.create(inside + "/" + name)
        others = [n for n in client.get_children(inside) if n != name]
        if others:
            say(id, "beside", name, *others)
        client.delete(inside + "/" + name)
        give()
    client.stop()
    client.close()
    say(id, "done")


def start(id, work, *args):
    def run():
        try:
            work(id, *args)
        except Exception as e:
            say(id, "failed", repr(e))

    threading.Thread(target=run, daemon=True).start()


say("ready")
for line in sys.stdin:
    command, id, *args = line.split()
    if command == "take":
        given[id] = threading.Event()
        start(id, take, *args)
    elif command == "give":
        given[id].set()
    elif command == "loop":
        kind, servers, path, rounds, inside = args
        start(id, loop, kind, servers, path, int(rounds), inside)
    else:
        raise ValueError("no such command: " + line)
