/* SPDX-License-Identifier: Apache-2.0 */
/* Values that prove themselves: every byte follows from the key and the value's size, so that a
 * value of another key, a truncated one and a torn one are all recognised without keeping a
 * copy. */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pattern_fill(void *value, size_t size, const void *key, size_t key_size);
bool pattern_matches(const void *value, size_t size, const void *key, size_t key_size);

#endif
