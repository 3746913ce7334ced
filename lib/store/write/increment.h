/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_STORE_WRITE_INCREMENT_H
#define MS_STORE_WRITE_INCREMENT_H

#include "store/write/ttl.h"

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

int ms_store_increment(memstore *store, const void *key, size_t key_size, int64_t delta,
                       int64_t initial, const struct ms_life *life, int64_t *result);

#endif
