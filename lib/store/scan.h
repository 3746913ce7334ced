/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over all keys. */
#ifndef MS_STORE_SCAN_H
#define MS_STORE_SCAN_H

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

int ms_cursor_new(memstore *store, const char *pattern, size_t pattern_size, memstore_cursor **out);
int ms_cursor_next(memstore_cursor *cursor, memstore_key *key);
void ms_cursor_free(memstore_cursor *cursor);
/* How many live entries a walk over the index meets, taking no lock. The caller has entered. */
uint64_t ms_scan_count(memstore *store);

#endif
