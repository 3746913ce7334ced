/* SPDX-License-Identifier: Apache-2.0 */
/* Committing a batch. */
#ifndef MS_STORE_BATCH_COMMIT_H
#define MS_STORE_BATCH_COMMIT_H

#include "store/write/ttl.h"

#include <memstore/memstore.h>
#include <stddef.h>
#include <stdint.h>

enum ms_op_kind {
    MS_OP_SET,
    MS_OP_DELETE,
    MS_OP_UPDATE_TTL,
    MS_OP_EXPECT_VERSION,
    MS_OP_EXPECT_ABSENT
};

struct ms_op {
    enum ms_op_kind kind;
    memstore_key key;
    const void *value;
    size_t value_size;
    int64_t ttl_ms;
    uint64_t version;
    /* Of a set that was asked for earlier: its life, in place of ttl_ms, and when that was, where
     * creation times are kept; 0 = neither. */
    struct ms_life life;
    int64_t created;
};

struct ms_commit_result {
    size_t deleted; /* entries */
    size_t refused; /* the number of the operation that was refused; n if none was by itself */
};

/* Apply all operations at one instant, or none. */
int ms_store_commit(memstore *store, const struct ms_op *ops, size_t n,
                    struct ms_commit_result *result);
/* The same without counting a refusal. */
int ms_store_try_commit(memstore *store, const struct ms_op *ops, size_t n,
                        struct ms_commit_result *result);

#endif
