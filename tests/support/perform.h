/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a history, performed on a store. */
#ifndef TEST_PERFORM_H
#define TEST_PERFORM_H

#include "support/history.h"

#include <memstore/memstore.h>

/* How values are written. */
enum perform_form {
    PERFORM_SEALED, /* a number, its key and a filling that both determine, of varying length */
    PERFORM_DECIMAL /* digits, so that they can be incremented */
};

struct perform_target {
    memstore *store;
    memstore_key keys[HISTORY_KEYS];
    enum perform_form form;
    size_t longest; /* value, sealed; 0 = as short as can be */
    bool versions;  /* versions are recorded: the store moves no entries */
    /* Instead of setting the fake clock: the clock of a history of this store. */
    void (*set_clock)(int64_t clock);
};

/* Do what `op` says and note what it gave: status, values found, versions, numbers. */
void perform(const struct perform_target *target, struct history_op *op);

#endif
