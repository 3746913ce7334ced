/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmarks' keys: 20 bytes, "key-" and 16 hexadecimal digits. */
#ifndef BENCH_BENCH_KEY_H
#define BENCH_BENCH_KEY_H

#include <stdint.h>
#include <string.h>

enum { BENCH_KEY_SIZE = 20 };

static inline void bench_key_format(char out[BENCH_KEY_SIZE], uint64_t id)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(out, "key-", 4);
    for (int i = 0; i < 16; i++)
        out[4 + i] = digits[(id >> (60 - 4 * i)) & 15];
}

#endif
