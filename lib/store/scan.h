/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over all keys. */
#ifndef MS_STORE_SCAN_H
#define MS_STORE_SCAN_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Over the live keys that match, or over those that have expired and are not swept, too. */
int ms_cursor_new(memstore *store, const char *pattern, size_t pattern_size, bool of_all,
                  memstore_cursor **out);
int ms_cursor_next(memstore_cursor *cursor, memstore_key *key);
void ms_cursor_free(memstore_cursor *cursor);
/* How many live entries a walk over the index meets, taking no lock. The caller has entered. */
uint64_t ms_scan_count(memstore *store);

#endif
