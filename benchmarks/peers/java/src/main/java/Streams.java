// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.util.Random;

/** Keys, made before the clock runs; and values that tell whose they are. */
final class Streams {
    static final int KEY_SIZE = 20;

    private Streams() {}

    static String key(int number) {
        return String.format("key-%016x", number);
    }

    static int[] inOrder(int count) {
        int[] numbers = new int[count];
        for (int i = 0; i < count; i++) numbers[i] = i;
        return numbers;
    }

    static int[] uniform(int count, int keys, long seed) {
        Random random = new Random(seed);
        return random.ints(count, 0, keys).toArray();
    }

    /** By inversion from the continuous distribution of an exponent other than 1, scattered over the keys. */
    static int[] zipf(int count, int keys, double exponent, long seed) {
        Random random = new Random(seed);
        int[] scatter = inOrder(keys);
        for (int i = keys - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int other = scatter[i];
            scatter[i] = scatter[j];
            scatter[j] = other;
        }
        double e = 1 - exponent;
        double span = Math.pow(keys + 1.0, e) - 1;
        int[] numbers = new int[count];
        for (int i = 0; i < count; i++) {
            int rank = (int) (Math.pow(random.nextDouble() * span + 1, 1 / e) - 1);
            numbers[i] = scatter[Math.min(rank, keys - 1)];
        }
        return numbers;
    }

    /** New strings, as a program has them that has just parsed a request. */
    static String[] keys(int[] numbers) {
        String[] keys = new String[numbers.length];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = new String(key(numbers[i]).getBytes(StandardCharsets.US_ASCII), StandardCharsets.US_ASCII);
        }
        return keys;
    }

    static byte[] value(int number, int size) {
        byte[] value = new byte[size];
        for (int i = 0; i < size; i++) value[i] = (byte) (number + i);
        for (int i = 0; i < 4; i++) value[i] = (byte) (number >>> (8 * i));
        return value;
    }

    static void verify(byte[] value, int number, int size) {
        boolean right = value.length == size && value[size - 1] == (byte) (number + size - 1);
        for (int i = 0; right && i < 4; i++) right = value[i] == (byte) (number >>> (8 * i));
        if (!right) throw new IllegalStateException("the value of key " + number + " is another's");
    }
}
