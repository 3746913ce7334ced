/* SPDX-License-Identifier: Apache-2.0 */
/* Stores whose memory views hold, so that writes wait in vain. */
#ifndef TEST_HOLDER_H
#define TEST_HOLDER_H

#include <memstore/memstore.h>
#include <stddef.h>

#define TEST_HELD_BYTES 3000

/* The key of the n-th entry that is held. */
memstore_key test_held_key(size_t number, char name[static 32]);

/* Have views hold all memory of a store, at most `most` of them. Returns how many they are;
 * performance.lock_timeout is a second afterwards. */
size_t test_hold_all(memstore *store, memstore_view *views, size_t most);

#endif
