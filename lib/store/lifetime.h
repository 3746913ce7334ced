/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store, and being in a call of it meanwhile. */
#ifndef MS_STORE_LIFETIME_H
#define MS_STORE_LIFETIME_H

#include "config/settings.h"
#include "log/log.h"
#include "store/calling.h"
#include "store/read/admission.h"

#include <memstore/memstore.h>
#include <stdbool.h>

/* On failure `*why` says why; on success it is NULL. */
int ms_store_open(const struct ms_settings *settings, const struct ms_logger *logger,
                  memstore **out, const char **why);
int ms_store_close(memstore *store);
void ms_store_destroy(memstore *store);

/* A writing call begins: CACHE_CLOSED, or OK and ms_store_leave() is due. Reading calls enter a
 * read section instead and look at `closed` inside it. */
int ms_store_enter(memstore *store);
void ms_store_leave(memstore *store);

/* As ms_store_enter(), or MEMORY_EXHAUSTED: a writing call that calls functions of the caller's. The child
 * of a fork() in one of them goes on with it. */
int ms_store_enter_to_call_out(memstore *store, struct ms_calling **call);
void ms_store_leave_calling_out(memstore *store, struct ms_calling *call);
/* Around a function of the caller's that may do everything, close the store included; meanwhile the thread's
 * memstore_destroy() only closes it. MEMORY_EXHAUSTED, or OK and ms_store_end_callback() is due. */
int ms_store_begin_callback(memstore *store, struct ms_calling **call);
void ms_store_end_callback(struct ms_calling *call);
/* In the child of a fork(), while it has one thread: other threads are in no call. */
void ms_store_forget_calls(memstore *store);

/* Whether calls are diverted for one of MS_DIVERT_MEASURED and MS_DIVERT_TRACKED. The settings lock
 * is held, or nobody else knows the store yet. */
void ms_store_divert(memstore *store, enum ms_diverts why, bool wanted);

#endif
