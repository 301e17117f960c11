"""Locks as three widespread tutorials write them: sequential ephemerals without
a GUID, sorted by their whole names. They differ in what they watch."""
import socket
import threading

from kazoo.exceptions import NoNodeError


class Script:
    """What the three have in common: create, list, wait, list again."""

    def __init__(self, client, path, waits):
        self.client, self.path, self.waits = client, path, waits

    def create(self, prefix, data=b""):
        self.node = self.client.create(self.path + "/" + prefix, data, ephemeral=True, sequence=True)
        self.name = self.node.rsplit("/", 1)[1]

    def give(self):
        self.client.delete(self.node)

    def take_watching_predecessor(self, watch):
        while True:
            names = sorted(self.client.get_children(self.path))
            index = names.index(self.name)
            if index == 0:
                return
            gone = threading.Event()
            if watch(self.path + "/" + names[index - 1], lambda event: gone.set()):
                self.waits()
                gone.wait()


class WatchesAllChildren(Script):
    """/uk/lock: every waiter watches the children of the lock."""

    def take(self):
        self.create("lock_id_")
        while True:
            changed = threading.Event()
            names = sorted(self.client.get_children(self.path, watch=lambda event: changed.set()))
            if names[0] == self.name:
                return
            self.waits()
            changed.wait()


class WatchesByGet(Script):
    """/lock: every waiter reads the one before it with a watch."""

    def take(self):
        self.create("seq-")
        self.take_watching_predecessor(self.get)

    def get(self, node, watch):
        try:
            self.client.get(node, watch=watch)
            return True
        except NoNodeError:
            return False


class WatchesByExists(Script):
    """/locks/write_lock: the host's name as data, and exists with a watch."""

    def take(self):
        self.create("lockid", socket.gethostname().encode())
        self.take_watching_predecessor(lambda node, watch: self.client.exists(node, watch=watch) is not None)


KINDS = {"children": WatchesAllChildren, "get": WatchesByGet, "exists": WatchesByExists}
