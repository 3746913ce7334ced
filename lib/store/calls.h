/* SPDX-License-Identifier: Apache-2.0 */
/* Being in a call of a store, which its close waits for. */
#ifndef MS_STORE_CALLS_H
#define MS_STORE_CALLS_H

#include "store/calling.h"

#include <memstore/memstore.h>
#include <stdint.h>

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
/* Wait until no call is in progress. The store is closed. */
void ms_calls_wait(memstore *store);
/* How many calls this thread is in that ms_store_enter_to_call_out() and ms_store_begin_callback() began. */
uint32_t ms_calls_out(const memstore *store);
uint32_t ms_calls_back(const memstore *store);

#endif
