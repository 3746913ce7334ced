/* SPDX-License-Identifier: Apache-2.0 */
#include "store/calls.h"

#include "store/maintenance.h"
#include "store/store.h"

#include "platform/wait.h"

#include <sched.h>

/* Close looks so often whether calls are over before it sleeps between looks, for so long. */
#define YIELDS 100
#define CALLS_POLL_US 200

/* Of this thread: calls that close would wait for, and others that the store has to outlast. */
static __thread struct ms_calling *calling_out;
static __thread struct ms_calling *calling_back;

int ms_store_enter(memstore *store)
{
    bool exclusive;
    struct ms_counter_stripe *stripe = ms_counters_stripe(&store->counters, &exclusive);

    /* ORDER: seq_cst on both sides: either close sees the call, or the call sees that the store
     * is closed. */
    ms_add_seq_cst(&stripe->writers, 1);
    if (ms_unlikely(ms_load_seq_cst(&store->closed))) {
        ms_sub_seq_cst(&stripe->writers, 1);
        return MEMSTORE_ERR_CACHE_CLOSED;
    }
    if (ms_unlikely(ms_load_relaxed(&store->lacks_thread)))
        ms_maintenance_resume(store);
    return MEMSTORE_OK;
}

void ms_store_leave(memstore *store)
{
    bool exclusive;

    /* A thread keeps its number for as long as it lives, so this is the stripe of
     * ms_store_enter(). */
    ms_sub_seq_cst(&ms_counters_stripe(&store->counters, &exclusive)->writers, 1);
}

int ms_store_enter_to_call_out(memstore *store, struct ms_calling **call)
{
    const int status = ms_store_enter(store);

    if (status != MEMSTORE_OK)
        return status;
    *call = ms_calling_begin(&calling_out, store);
    if (*call != NULL)
        return MEMSTORE_OK;
    ms_store_leave(store);
    return MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_store_leave_calling_out(memstore *store, struct ms_calling *call)
{
    ms_calling_end(&calling_out, call);
    ms_store_leave(store);
}

int ms_store_begin_callback(memstore *store, struct ms_calling **call)
{
    *call = ms_calling_begin(&calling_back, store);
    return *call != NULL ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

void ms_store_end_callback(struct ms_calling *call)
{
    ms_calling_end(&calling_back, call);
}

void ms_store_forget_calls(memstore *store)
{
    bool exclusive;
    struct ms_counter_stripe *const own = ms_counters_stripe(&store->counters, &exclusive);

    for (uint32_t i = 0; i < store->counters.stripe_count; i++)
        ms_store_relaxed(&store->counters.stripes[i].writers, 0);
    ms_add_relaxed(&own->writers, ms_calling_count(calling_out, store));
}

/* Most calls are over at once; some, as those that write or read a file, take long. */
static void wait_a_while(unsigned looks)
{
    if (looks < YIELDS)
        sched_yield();
    else
        ms_wait_us(CALLS_POLL_US);
}

void ms_calls_wait(memstore *store)
{
    unsigned looks = 0;

    /* Readers: they are in read sections. */
    ms_rcu_synchronize();
    for (uint32_t i = 0; i < store->counters.stripe_count; i++) {
        while (ms_load_seq_cst(&store->counters.stripes[i].writers) != 0)
            wait_a_while(looks++);
    }
}

uint32_t ms_calls_out(const memstore *store)
{
    return ms_calling_count(calling_out, store);
}

uint32_t ms_calls_back(const memstore *store)
{
    return ms_calling_count(calling_back, store);
}
