/* SPDX-License-Identifier: Apache-2.0 */
/* What of a store fork() is to find in order: its locks, each by its rank, and in the child what other threads
 * had begun. */
#ifndef MS_STORE_FORKING_H
#define MS_STORE_FORKING_H

#include "store/store.h"

/* Lock what has a rank from `first` on and before `end`: of all stores of a list one rank after the other. */
void ms_forking_lock(memstore *stores, int first, int end);
/* Unlock all ranks. */
void ms_forking_unlock(memstore *stores);
/* The child has only the thread that called fork(), which is in no call of ours but, it may be, in one that
 * called it: what others had begun never ends. */
void ms_forking_forget_threads(memstore *store);

#endif
