/* SPDX-License-Identifier: Apache-2.0 */
/* The minimal loop's table (benchmarks/roofline/loop_table.h) behind calls from Go: what a call of C and two cache
 * misses cost, and nothing else. It has all the keys of ids below its number of entries from the beginning, no TTL, no lock and
 * no limit, and its values are replaced in place, so only one thread may write. Keys and values have one size. */
#ifndef PEERS_TOY_H
#define PEERS_TOY_H

#include <stdint.h>

struct loop_table;

/* NULL: no memory. */
struct loop_table *toy_open(uint64_t entries);
void toy_close(struct loop_table *table);

/* 1, or 0 when there is no such key. */
int toy_get(const struct loop_table *table, const unsigned char *key, unsigned char *out);
int toy_set(struct loop_table *table, const unsigned char *key, const unsigned char *value);

/* Copies the values of n packed keys to out, of 16 keys at a time with prefetches; how many were found. */
int toy_get_many(const struct loop_table *table, unsigned char *keys, int n, unsigned char *out);

#endif
