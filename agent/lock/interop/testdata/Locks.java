import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.recipes.lock.LockListener;
import org.apache.zookeeper.recipes.lock.WriteLock;

/**
 * Takes the locks of Curator and of ZooKeeper's recipes as it is told on its
 * input, one command a line:
 *
 *   take ID KIND SERVERS PATH                in a session of its own; says "ID held"
 *   give ID                                  says "ID given"
 *   loop ID KIND SERVERS PATH ROUNDS INSIDE  takes and gives; says "ID done", and
 *                                            "ID beside NAMES" when INSIDE showed others
 *   time ID KIND SERVERS PATH TIMES          takes and gives; says "ID took NANOS", the
 *                                            median of one time
 *   crowd ID KIND SERVERS PATH N TIMES       N sessions take and give, again and again; says
 *                                            "ID took NANOS" for so many times, after each
 *                                            had it twice
 *
 * What fails says "ID failed MESSAGE".
 */
public class Locks {
    interface Lock extends AutoCloseable {
        void take() throws Exception;
        void give() throws Exception;
        ZooKeeper session() throws Exception;
    }

    /** Curator's, by kind: mutex, read, write, semaphore. */
    static class Curator implements Lock {
        final CuratorFramework client;
        final InterProcessLock lock;
        final InterProcessSemaphoreV2 semaphore;
        Lease lease;

        Curator(String kind, String servers, String path) {
            client = CuratorFrameworkFactory.newClient(servers, 10000, 10000, new ExponentialBackoffRetry(100, 5));
            client.start();
            semaphore = kind.equals("semaphore") ? new InterProcessSemaphoreV2(client, path, 1) : null;
            InterProcessReadWriteLock both = new InterProcessReadWriteLock(client, path);
            lock = kind.equals("read") ? both.readLock() : kind.equals("write") ? both.writeLock() : new InterProcessMutex(client, path);
        }

        public void take() throws Exception {
            if (semaphore != null) {
                lease = semaphore.acquire();
            } else {
                lock.acquire();
            }
        }

        public void give() throws Exception {
            if (semaphore != null) {
                semaphore.returnLease(lease);
            } else {
                lock.release();
            }
        }

        public ZooKeeper session() throws Exception { return client.getZookeeperClient().getZooKeeper(); }
        public void close() { client.close(); }
    }

    /** ZooKeeper's own WriteLock. */
    static class Recipe implements Lock {
        final ZooKeeper session;
        final String path;
        WriteLock lock;

        Recipe(String servers, String path) throws Exception {
            this.path = path;
            CountDownLatch connected = new CountDownLatch(1);
            session = new ZooKeeper(servers, 10000, event -> {
                if (event.getState() == Watcher.Event.KeeperState.SyncConnected) connected.countDown();
            });
            if (!connected.await(20, TimeUnit.SECONDS)) throw new Exception("no session");
        }

        public void take() throws Exception {
            CountDownLatch acquired = new CountDownLatch(1);
            lock = new WriteLock(session, path, ZooDefs.Ids.OPEN_ACL_UNSAFE, new LockListener() {
                public void lockAcquired() { acquired.countDown(); }
                public void lockReleased() { }
            });
            // When the one before it goes between its listing and its watch, the
            // recipe waits for ever; asked again it looks again.
            do {
                lock.lock();
            } while (!acquired.await(200, TimeUnit.MILLISECONDS));
        }

        public void give() { lock.unlock(); }
        public ZooKeeper session() { return session; }
        public void close() throws Exception { session.close(); }
    }

    static Lock open(String kind, String servers, String path) throws Exception {
        return kind.equals("recipe") ? new Recipe(servers, path) : new Curator(kind, servers, path);
    }

    static synchronized void say(String line) { System.out.println(line); }

    static final Map<String, CountDownLatch> given = new ConcurrentHashMap<>();

    static void take(String id, String kind, String servers, String path) throws Exception {
        CountDownLatch give = given.get(id);
        try (Lock lock = open(kind, servers, path)) {
            lock.take();
            say(id + " held");
            give.await();
            lock.give();
        }
        say(id + " given");
    }

    static void loop(String id, String kind, String servers, String path, int rounds, String inside) throws Exception {
        // Who sees it, and whether others may hold beside it, stands in the name.
        String family = kind.equals("read") || kind.equals("write") ? "readwrite" : kind;
        String name = (kind.equals("read") ? "shared" : "exclusive") + "-" + family + "-" + id;
        try (Lock lock = open(kind, servers, path)) {
            for (int i = 0; i < rounds; i++) {
                lock.take();
                ZooKeeper session = lock.session();
                session.create(inside + "/" + name, null, ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
                List<String> others = session.getChildren(inside, false);
                others.remove(name);
                if (!others.isEmpty()) say(id + " beside " + name + " " + String.join(" ", others));
                session.delete(inside + "/" + name, -1);
                lock.give();
            }
        }
        say(id + " done");
    }

    static void time(String id, String kind, String servers, String path, int times) throws Exception {
        long[] took = new long[times];
        try (Lock lock = open(kind, servers, path)) {
            for (int i = 0; i < times; i++) {
                long began = System.nanoTime();
                lock.take();
                lock.give();
                took[i] = System.nanoTime() - began;
            }
        }
        Arrays.sort(took);
        say(id + " took " + took[times / 2]);
    }

    static void crowd(String id, String kind, String servers, String path, int n, int times) throws Exception {
        AtomicInteger done = new AtomicInteger();
        AtomicLong began = new AtomicLong(), ended = new AtomicLong();
        CountDownLatch over = new CountDownLatch(n);
        for (int i = 0; i < n; i++) {
            Lock lock = open(kind, servers, path);
            start(id, () -> {
                try (lock) {
                    for (int count = 0; count < 2 * n + times; ) {
                        lock.take();
                        lock.give();
                        count = done.incrementAndGet();
                        if (count == 2 * n) began.set(System.nanoTime());
                        if (count == 2 * n + times) ended.set(System.nanoTime());
                    }
                } finally {
                    over.countDown();
                }
            });
        }
        over.await();
        say(id + " took " + (ended.get() - began.get()));
    }

    interface Work { void run() throws Exception; }

    static void start(String id, Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Throwable t) {
                say(id + " failed " + t);
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    public static void main(String[] args) throws Exception {
        say("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] w = line.split(" ");
            switch (w[0]) {
            case "take":
                given.put(w[1], new CountDownLatch(1));
                start(w[1], () -> take(w[1], w[2], w[3], w[4]));
                break;
            case "give":
                given.get(w[1]).countDown();
                break;
            case "loop":
                start(w[1], () -> loop(w[1], w[2], w[3], w[4], Integer.parseInt(w[5]), w[6]));
                break;
            case "time":
                start(w[1], () -> time(w[1], w[2], w[3], w[4], Integer.parseInt(w[5])));
                break;
            case "crowd":
                start(w[1], () -> crowd(w[1], w[2], w[3], w[4], Integer.parseInt(w[5]), Integer.parseInt(w[6])));
                break;
            default:
                throw new Exception("no such command: " + line);
            }
        }
    }
}
