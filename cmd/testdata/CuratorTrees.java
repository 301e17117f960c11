import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.*;
import org.apache.curator.retry.ExponentialBackoffRetry;

/** CuratorTrees SERVERS: takes Curator's locks and holds them until its input ends. */
public class CuratorTrees {
    public static void main(String[] args) throws Exception {
        String servers = args[0];
        CuratorFramework client = CuratorFrameworkFactory.newClient(servers, 10000, 10000, new ExponentialBackoffRetry(100, 5));
        client.start();
        if (!new InterProcessMutex(client, "/curator/mutex").acquire(20, TimeUnit.SECONDS)) throw new Exception("mutex");
        if (!new InterProcessReadWriteLock(client, "/curator/catalog").readLock().acquire(20, TimeUnit.SECONDS)) throw new Exception("read");
        if (new InterProcessSemaphoreV2(client, "/curator/slots", 2).acquire(20, TimeUnit.SECONDS) == null) throw new Exception("semaphore");
        LeaderLatch latch = new LeaderLatch(client, "/curator/leader", "host-e");
        latch.start();
        if (!latch.await(20, TimeUnit.SECONDS)) throw new Exception("latch");
        System.out.println("ready");
        while (System.in.read() >= 0) { }
        latch.close();
        client.close();
    }
}
