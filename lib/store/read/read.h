/* SPDX-License-Identifier: Apache-2.0 */
/* Reading single keys. */
#ifndef MS_STORE_READ_READ_H
#define MS_STORE_READ_READ_H

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

int ms_store_get(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                 size_t *value_size);
/* The same where ms_processor_has_avx2(); store/read/get_avx2.c. */
int ms_store_get_avx2(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                      size_t *value_size);
/* Both for where keys are followed. */
int ms_store_get_following(memstore *store, const void *key, size_t key_size, void *buf, size_t cap,
                           size_t *value_size);
int ms_store_get_following_avx2(memstore *store, const void *key, size_t key_size, void *buf,
                                size_t cap, size_t *value_size);
int ms_store_has(memstore *store, const void *key, size_t key_size);

#endif
