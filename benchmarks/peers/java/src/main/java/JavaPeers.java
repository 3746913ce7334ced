// SPDX-License-Identifier: Apache-2.0

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Measures one workload of Caffeine and prints the rows as JSON: the child that benchmarks/peers/rust starts. */
public final class JavaPeers {
    private static final int VALUE_SIZE = 100;
    private static final long ROOMY = 1L << 30;
    private static final int WARM_UP = 3;

    private final Map<String, Double> out = new LinkedHashMap<>();

    interface Work {
        void run(int from, int to);
    }

    private static Cache<String, byte[]> open(long bytes, int entries) {
        return Caffeine.newBuilder()
                .initialCapacity(entries)
                .maximumWeight(bytes)
                .weigher((String key, byte[] value) -> key.length() + value.length)
                .expireAfterWrite(1, TimeUnit.HOURS)
                .build();
    }

    /** Nanoseconds an operation and thread. */
    private static double each(int threads, int operations, Work work) throws InterruptedException {
        Thread[] all = new Thread[threads];
        int share = operations / threads;
        long begin = System.nanoTime();
        for (int t = 0; t < threads; t++) {
            int from = t * share;
            all[t] = new Thread(() -> work.run(from, from + share));
            all[t].start();
        }
        for (Thread thread : all) thread.join();
        return (double) (System.nanoTime() - begin) / share;
    }

    private static void read(Cache<String, byte[]> cache, int[] numbers, String[] keys, int from, int to) {
        byte[] buffer = new byte[VALUE_SIZE];
        for (int i = from; i < to; i++) {
            byte[] value = cache.getIfPresent(keys[i]);
            if (value != null) {
                System.arraycopy(value, 0, buffer, 0, value.length);
                Streams.verify(buffer, numbers[i], VALUE_SIZE);
            }
        }
    }

    private static void write(Cache<String, byte[]> cache, int[] numbers, String[] keys, int size, int from, int to) {
        for (int i = from; i < to; i++) cache.put(keys[i], Streams.value(numbers[i], size));
    }

    /** Reads nineteen times in twenty; the latencies of one read in sixteen, at their operation's place. */
    private static void mix(Cache<String, byte[]> cache, int[] numbers, String[] keys, long[] took, int from, int to) {
        for (int i = from; i < to; i++) {
            if (i % 20 == 0) {
                cache.put(keys[i], Streams.value(numbers[i], VALUE_SIZE));
            } else if (i % 16 == 1) {
                long begin = System.nanoTime();
                cache.getIfPresent(keys[i]);
                took[i] = System.nanoTime() - begin;
            } else {
                cache.getIfPresent(keys[i]);
            }
        }
    }

    private void speed(int entries, int operations) throws InterruptedException {
        Cache<String, byte[]> cache = open(ROOMY, 2 * entries);
        int[] all = Streams.inOrder(entries);
        write(cache, all, Streams.keys(all), VALUE_SIZE, 0, entries);
        int[] flat = Streams.uniform(operations, entries, 1);
        int[] skewed = Streams.zipf(operations, entries, 0.99, 2);
        String[] flatKeys = Streams.keys(flat);
        String[] skewedKeys = Streams.keys(skewed);
        for (int i = 0; i < WARM_UP; i++) read(cache, skewed, skewedKeys, 0, operations);
        for (int threads = 1; threads <= 2; threads++) {
            out.put("get uniform " + threads + "T", each(threads, operations, (a, b) -> read(cache, flat, flatKeys, a, b)));
            out.put("get Zipf " + threads + "T", each(threads, operations, (a, b) -> read(cache, skewed, skewedKeys, a, b)));
        }
        long[] took = new long[operations];
        out.put("mixed 95/5 2T", each(2, operations, (a, b) -> mix(cache, skewed, skewedKeys, took, a, b)));
        long[] sorted = Arrays.stream(took).filter(time -> time != 0).sorted().toArray();
        out.put("get p99 in mixed", (double) sorted[(int) (sorted.length * 0.99)]);
        out.put("get p99.9 in mixed", (double) sorted[(int) (sorted.length * 0.999)]);
        // A store that appends goes to new memory at first, and to what was overwritten from then on.
        for (String name : new String[] {"overwrite", "overwrite on"}) {
            for (int threads = 1; threads <= 2; threads++) {
                out.put(name + " " + threads + "T",
                        each(threads, operations, (a, b) -> write(cache, flat, flatKeys, VALUE_SIZE, a, b)));
            }
        }
    }

    private void newKeys(int operations) throws InterruptedException, IOException {
        long budget = 128L << 20;
        int[] numbers = Streams.inOrder(5 * operations);
        String[] keys = Streams.keys(numbers);
        double before = used();
        Cache<String, byte[]> cache = open(budget, (int) (budget / (Streams.KEY_SIZE + VALUE_SIZE)));
        out.put("set new 1T", each(1, numbers.length, (a, b) -> write(cache, numbers, keys, VALUE_SIZE, a, b)));
        cache.cleanUp();
        out.put("resident at 128 MiB, MiB", (used() - before) / (1 << 20));
        keep(cache, keys);
    }

    private void overhead(int entries, int size, String name) throws IOException {
        double before = used();
        Cache<String, byte[]> cache = open((long) entries * (Streams.KEY_SIZE + size) * 3, entries);
        for (int i = 0; i < entries; i++) cache.put(Streams.key(i), Streams.value(i, size));
        cache.cleanUp();
        out.put(name + ", entries kept", (double) cache.estimatedSize() / entries);
        out.put(name + ", B", (used() - before) / cache.estimatedSize() - (Streams.KEY_SIZE + size));
        keep(cache, null);
    }

    private void hits(int requests) throws IOException {
        long budget = 64L << 20;
        int[] numbers = Streams.zipf(requests, requests, 0.9, 3);
        double before = used();
        Cache<String, byte[]> cache = open(budget, (int) (budget / (Streams.KEY_SIZE + VALUE_SIZE)));
        int hits = 0;
        for (int number : numbers) {
            String key = Streams.key(number);
            byte[] value = cache.getIfPresent(key);
            if (value != null) {
                Streams.verify(value, number, VALUE_SIZE);
                hits++;
            } else {
                cache.put(key, Streams.value(number, VALUE_SIZE));
            }
        }
        out.put("hit ratio at 64 MiB", (double) hits / requests);
        out.put("resident beside it, MiB", (used() - before) / (1 << 20));
        keep(cache, numbers);
    }

    /** What is live on the heap: resident memory of a Java process is what its heap was allowed, not what is used. */
    private static double used() {
        for (int i = 0; i < 3; i++) System.gc();
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    private static void keep(Object one, Object two) throws IOException {
        if (one == two) Files.writeString(Path.of("/dev/null"), String.valueOf(one));
    }

    public static void main(String[] arguments) throws Exception {
        String workload = arguments[1].substring(arguments[1].indexOf(':') + 1);
        int entries = Integer.parseInt(arguments[3]);
        int operations = Integer.parseInt(arguments[5]);
        JavaPeers peers = new JavaPeers();
        switch (workload) {
            case "speed" -> peers.speed(entries, operations);
            case "new" -> peers.newKeys(operations);
            case "overhead" -> peers.overhead(2 * entries, 32, "overhead 32 B");
            case "overhead-large" -> peers.overhead(entries, 500, "overhead 500 B");
            case "hits" -> peers.hits(10 * operations);
            default -> throw new IllegalArgumentException(workload);
        }
        System.out.println(peers.out.entrySet().stream()
                .map(row -> '"' + row.getKey() + "\":" + row.getValue())
                .collect(Collectors.joining(",", "{", "}")));
    }
}
