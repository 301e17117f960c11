import java.util.*;
import java.util.concurrent.*;
import org.apache.curator.framework.*;
import org.apache.curator.framework.api.transaction.*;
import org.apache.curator.framework.recipes.cache.*;
import org.apache.curator.framework.recipes.leader.*;
import org.apache.curator.framework.recipes.locks.*;
import org.apache.curator.retry.*;
import org.apache.zookeeper.*;

/**
 * Curator's recipes, one after the other, on the server of the connect string.
 * It prints what came of each, the same on every right server.
 */
public class Curator {
  static CuratorFramework open(String servers) throws Exception {
    CuratorFramework c = CuratorFrameworkFactory.builder().connectString(servers)
        .sessionTimeoutMs(20000).connectionTimeoutMs(10000).retryPolicy(new RetryOneTime(200)).build();
    c.start();
    c.blockUntilConnected();
    return c;
  }

  static void say(String format, Object... args) { System.out.println(String.format(format, args)); }

  /** The names of children without what is random in them. */
  static List<String> names(CuratorFramework c, String path) throws Exception {
    List<String> all = new ArrayList<>();
    for (String n : c.getChildren().forPath(path)) all.add(n.replaceFirst("^_c_[-0-9a-f]{36}-", "_c_-"));
    Collections.sort(all);
    return all;
  }

  /** The path below the chroot, which the results of a transaction show. */
  static String below(String path) { return path == null ? null : path.substring(path.lastIndexOf("/tx")); }

  public static void main(String[] args) throws Exception {
    CuratorFramework a = open(args[0]), b = open(args[0]);
    locks(a, b);
    readWrite(a, b);
    semaphore(a, b);
    latch(a, b);
    transaction(a);
    cache(a, b);
    modes(a);
    b.close();
    a.close();
    say("end");
  }

  static void locks(CuratorFramework a, CuratorFramework b) throws Exception {
    InterProcessMutex x = new InterProcessMutex(a, "/mutex"), y = new InterProcessMutex(b, "/mutex");
    x.acquire();
    say("mutex: the second gets it at once: %b", y.acquire(200, TimeUnit.MILLISECONDS));
    say("mutex: contenders %s", names(a, "/mutex"));
    Future<Boolean> f = CompletableFuture.supplyAsync(() -> {
      try { return y.acquire(20, TimeUnit.SECONDS) && y.isOwnedByCurrentThread() && release(y); } catch (Exception e) { throw new RuntimeException(e); }
    });
    while (names(a, "/mutex").size() < 2) Thread.sleep(10);
    x.release();
    say("mutex: the second gets it after the release: %b", f.get());
    say("mutex: contenders %s", names(a, "/mutex"));
  }

  static boolean release(InterProcessLock l) throws Exception { l.release(); return true; }

  static void readWrite(CuratorFramework a, CuratorFramework b) throws Exception {
    InterProcessReadWriteLock x = new InterProcessReadWriteLock(a, "/rw"), y = new InterProcessReadWriteLock(b, "/rw");
    x.readLock().acquire();
    say("rw: two readers: %b", y.readLock().acquire(5, TimeUnit.SECONDS));
    say("rw: contenders %s", names(a, "/rw"));
    y.readLock().release();
    say("rw: a writer beside a reader: %b", y.writeLock().acquire(200, TimeUnit.MILLISECONDS));
    x.readLock().release();
    say("rw: a writer alone: %b", y.writeLock().acquire(5, TimeUnit.SECONDS));
    say("rw: a reader beside a writer: %b", x.readLock().acquire(200, TimeUnit.MILLISECONDS));
    y.writeLock().release();
    say("rw: contenders %s", names(a, "/rw"));
  }

  static void semaphore(CuratorFramework a, CuratorFramework b) throws Exception {
    InterProcessSemaphoreV2 x = new InterProcessSemaphoreV2(a, "/semaphore", 2), y = new InterProcessSemaphoreV2(b, "/semaphore", 2);
    Lease one = x.acquire(), two = y.acquire(5, TimeUnit.SECONDS);
    say("semaphore: two of two: %b", two != null);
    say("semaphore: three of two: %b", x.acquire(300, TimeUnit.MILLISECONDS) != null);
    x.returnLease(one);
    Lease three = y.acquire(5, TimeUnit.SECONDS);
    say("semaphore: after a return: %b", three != null);
    y.returnLease(two);
    y.returnLease(three);
    say("semaphore: leases %s", names(a, "/semaphore/leases"));
  }

  static void latch(CuratorFramework a, CuratorFramework b) throws Exception {
    LeaderLatch x = new LeaderLatch(a, "/leader", "x"), y = new LeaderLatch(b, "/leader", "y");
    x.start();
    say("latch: x leads: %b", x.await(10, TimeUnit.SECONDS));
    y.start();
    say("latch: y leads too: %b", y.await(300, TimeUnit.MILLISECONDS));
    x.close();
    say("latch: y leads after x: %b", y.await(10, TimeUnit.SECONDS));
    say("latch: leader %s", y.getLeader().getId());
    y.close();
  }

  static void transaction(CuratorFramework a) throws Exception {
    a.create().forPath("/tx", "0".getBytes());
    List<CuratorTransactionResult> results = a.transaction().forOperations(
        a.transactionOp().create().forPath("/tx/a", "1".getBytes()),
        a.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/tx/s-"),
        a.transactionOp().setData().withVersion(0).forPath("/tx", "2".getBytes()),
        a.transactionOp().check().withVersion(1).forPath("/tx"));
    for (CuratorTransactionResult r : results) say("transaction: %s %s error %d", r.getType(), below(r.getResultPath()), r.getError());
    try {
      a.transaction().forOperations(
          a.transactionOp().delete().forPath("/tx/a"),
          a.transactionOp().check().withVersion(7).forPath("/tx"),
          a.transactionOp().delete().forPath("/tx/none"));
    } catch (KeeperException e) {
      say("transaction: %s", e.code());
      for (OpResult r : e.getResults()) say("transaction: result %d", ((OpResult.ErrorResult) r).getErr());
    }
    say("transaction: children %s", names(a, "/tx"));
  }

  static void cache(CuratorFramework a, CuratorFramework b) throws Exception {
    b.create().creatingParentsIfNeeded().forPath("/cache/one", "1".getBytes());
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    CuratorCache cache = CuratorCache.build(a, "/cache");
    CountDownLatch ready = new CountDownLatch(1);
    cache.listenable().addListener(new CuratorCacheListener() {
      public void event(Type type, ChildData before, ChildData now) {
        ChildData d = now != null ? now : before;
        if (ready.getCount() == 0) seen.add(type + " " + d.getPath() + " " + new String(d.getData()));
      }
      public void initialized() { ready.countDown(); }
    });
    cache.start();
    ready.await(20, TimeUnit.SECONDS);
    say("cache: at first %d", cache.size());
    b.create().forPath("/cache/two", "2".getBytes());
    say("cache: %s", seen.poll(20, TimeUnit.SECONDS));
    b.setData().forPath("/cache/one", "11".getBytes());
    say("cache: %s", seen.poll(20, TimeUnit.SECONDS));
    b.create().forPath("/cache/two/deep", "3".getBytes());
    say("cache: %s", seen.poll(20, TimeUnit.SECONDS));
    b.delete().forPath("/cache/one");
    say("cache: %s", seen.poll(20, TimeUnit.SECONDS));
    cache.close();
  }

  static void modes(CuratorFramework a) throws Exception {
    say("modes: %s", a.create().withMode(CreateMode.CONTAINER).forPath("/container"));
    say("modes: %s", a.create().withTtl(100000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/ttl"));
    String p = a.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/container/e-");
    say("modes: %s", p.replaceFirst("_c_[-0-9a-f]{36}-", "_c_-"));
    say("modes: owner is the session: %b", a.checkExists().forPath(p).getEphemeralOwner() == a.getZookeeperClient().getZooKeeper().getSessionId());
  }
}
