"""kazoo_trees.py SERVERS: makes what programs with kazoo and hand-written
scripts make, holds it until its input ends, then lets go."""
import sys
from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start(timeout=30)

lock = client.Lock("/kazoo/jobs", "host-a")
assert lock.acquire(timeout=20)
read = client.ReadLock("/kazoo/catalog", "host-b")
assert read.acquire(timeout=20)
semaphore = client.Semaphore("/kazoo/slots", "host-c", max_leases=2)
assert semaphore.acquire(timeout=20)

# A tutorial's script: the parent by hand, no GUID, the host name as data.
client.ensure_path("/uk/lock")
client.create("/uk/lock/lock_id_", b"host-d", ephemeral=True, sequence=True)
# A persistent tree of somebody who has nothing to do with locks.
client.create("/config", b"answer=42")
client.create("/config/db", b"\x00\xff binary")

print("ready")
for line in sys.stdin:
    pass
client.stop()
client.close()
