/* SPDX-License-Identifier: Apache-2.0 */
/* How many views may be held and how many writers may be at work at once: max_concurrent_readers
 * and max_concurrent_writers. Both are unbounded unless configured, and then cost one branch. A loader
 * that is called counts as a view does.
 *
 * Where views are bounded each one holds a pass (view_pass.h).
 *
 * AM-1  A view with a pass that is counted holds one place of the gate `views`.
 * AM-2  Who waits for a place is in no read section, and holds no lock but the combiner's apply
 *       lock. */
#ifndef MS_STORE_READ_ADMISSION_H
#define MS_STORE_READ_ADMISSION_H

#include "config/settings.h"
#include "platform/gate.h"
#include "store/read/view_pass.h"

#include <memstore/memstore.h>
#include <stddef.h>

struct ms_admission {
    struct ms_gate views;
    struct ms_gate writers;
    struct ms_view_passes passes;
};

/* Why calls leave their short way, as a set of bits, so that who asks for one asks for all. */
enum ms_diverts {
    MS_DIVERT_VIEWS = 1,    /* how many are held is bounded */
    MS_DIVERT_WRITERS = 2,  /* how many are at work is bounded */
    MS_DIVERT_MEASURED = 4, /* calls are measured */
    MS_DIVERT_TRACKED = 8,  /* some keys are followed, track.h */
};
/* Those of the first three that settings ask for. */
uint8_t ms_admission_diverts(const struct ms_settings *settings);
/* Bytes that passes may take. */
uint64_t ms_admission_overhead(const struct ms_settings *settings);

void ms_admission_init(struct ms_admission *admission, const struct ms_settings *settings);
void ms_admission_fini(struct ms_admission *admission);
/* Send those away who wait: the store is closed. */
void ms_admission_close(struct ms_admission *admission);

/* ---- Views, in a store that bounds them ---- */

/* ms_store_get_view() and ms_store_get_many(), waiting for a place for each view: also
 * LOCK_TIMEOUT. What is not there is not waited for. */
int ms_admission_get_view(memstore *store, const void *key, size_t key_size, memstore_view *out);
int ms_admission_get_many(memstore *store, const memstore_key *keys, size_t n, memstore_view *out,
                          size_t *found);

/* What a caller is told who did or did not get through a gate. */
int ms_admission_status(enum ms_gate_result result);

/* Give a view that has none a pass, waiting for a place: OK, LOCK_TIMEOUT, CACHE_CLOSED or
 * MEMORY_EXHAUSTED. */
int ms_admission_hold(memstore *store, memstore_view *view);

/* ms_view_release() of a view that has a pass. */
void ms_admission_release(memstore_view *view);

/* Take a place for a call of a loader, and give it back: OK, LOCK_TIMEOUT or CACHE_CLOSED. */
int ms_admission_enter_load(memstore *store);
void ms_admission_leave_load(memstore *store);

/* ---- Writers, in a store that bounds them ---- */

/* Take a place, waiting for it: OK, LOCK_TIMEOUT or CACHE_CLOSED. The caller has entered the
 * store. */
int ms_admission_enter_writer(memstore *store);
void ms_admission_leave_writer(memstore *store);

/* In the child of a fork(), across which all locks were held, while it has one thread: that one
 * holds the views it has got, and so many places for loaders that it is in, and nobody else is there. */
void ms_admission_forget_threads(struct ms_admission *admission, uint32_t loads);

#endif
