/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of snapshots share. */
#ifndef STORIES_SNAPSHOTS_H
#define STORIES_SNAPSHOTS_H

#include "support/support.h"

#include <memstore/snapshot.h>

void stop_clock_and_make_folder(void);

static inline memstore *open_manual(void)
{
    return test_open("maintenance=manual", NULL);
}

/* Keeps what was told last. */
int keep_last(const memstore_progress *progress, void *context);
/* Save and close a store, and load what was saved into another. */
memstore *reopen(memstore *store, memstore *other, memstore_progress *last);
void set_numbered(memstore *store, const char *prefix, unsigned count);

struct watching {
    uint64_t calls;
    uint64_t stop_at; /* 0 = do not stop */
    int stop_phase;
    memstore_progress last;
    bool went_back;
};

int watch(const memstore_progress *progress, void *context);

#endif
