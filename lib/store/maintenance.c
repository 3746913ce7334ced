/* SPDX-License-Identifier: Apache-2.0 */
/* One thread for the process looks after all stores that want it; and fork() finds every store
 * here.
 *
 * The thread runs while there are stores with background maintenance, sleeps until the next
 * segment is due, and is woken when a writer finds little room. It blocks all signals. After
 * fork() the child has no such thread; it is started again by the first write in the child, and for a
 * store that needs it before. */
#include "store/maintenance.h"

#include "loader/leading.h"
#include "platform/background.h"
#include "platform/file.h"
#include "platform/fork.h"
#include "platform/lanes.h"
#include "platform/reader.h"
#include "platform/wait.h"
#include "store/forking.h"
#include "store/space/harvest.h"
#include "store/store.h"
#include "store/upkeep.h"

static ms_mutex registry_lock = MS_MUTEX_INITIALIZER(MS_RANK_REGISTRY);
static struct memstore *stores;
static uint32_t background_stores;

/* The thread's own state. Its lock is a leaf: writers wake the thread from under shard locks. */
static ms_mutex thread_lock = MS_MUTEX_INITIALIZER(MS_RANK_MAINTENANCE);
static pthread_t thread;
static bool thread_runs;
static bool thread_stops;
static bool wake_pending; /* somebody has woken it since it last looked */
static pthread_cond_t thread_wakes;
static pthread_cond_t round_ends; /* a store's in_round has become false */
static uint64_t grace_wanted;     /* grace periods asked for, and how many of them have passed */
static uint64_t grace_done;
static bool thread_is_away; /* it waits for what may take long, and lets no grace period pass */
static pthread_cond_t grace_ends;
static __thread bool is_maintenance_thread;

static pthread_once_t prepare_once = PTHREAD_ONCE_INIT;

/* A store is worked on for this long before the next one's turn. */
#define ROUND_BUDGET_US 20000
/* After a round that left something undone. */
#define BUSY_PAUSE_US 100
#define IDLE_PAUSE_US (INT64_C(3600) * 1000000)

static bool is_background(const memstore *store)
{
    return store->settings.maintenance == MS_MAINTENANCE_BACKGROUND;
}

/* When what is to be swept, given back or looked at by the exact clock is so. */
static int64_t when_due(memstore *store, int64_t now_us)
{
    const int64_t sweep = ms_due_when(&store->due), idle = ms_load_relaxed(&store->arena.idle_at);
    const int64_t plans[] = {idle, ms_load_relaxed(&store->spent_at),
                             ms_load_relaxed(&store->track.look_ms),
                             ms_load_relaxed(&store->tables.look_at)};
    const int64_t now = ms_clock_exact_ms();
    int64_t when = sweep;

    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        when = plans[i] < when ? plans[i] : when;

    if (when <= now)
        return now_us;
    return when - now < IDLE_PAUSE_US / 1000 ? now_us + (when - now) * 1000
                                             : now_us + IDLE_PAUSE_US;
}

/* When the store next wants attention, in ms_clock_real_us(). */
static int64_t next_round(memstore *store, int64_t now_us)
{
    if (ms_load_relaxed(&store->wanted))
        return now_us;

    const int64_t plans[] = {
        ms_combiner_when(store, now_us), ms_monitor_when(store, now_us),
        ms_exporter_when(store, now_us), ms_pressure_limit_when(store, now_us),
        when_due(store, now_us),
    };
    int64_t first_us = plans[0];
    for (size_t i = 1; i < sizeof plans / sizeof plans[0]; i++) {
        if (plans[i] < first_us)
            first_us = plans[i];
    }
    return first_us;
}

/* The store that has wanted attention longest, or NULL and when to look again. */
static memstore *pick_locked(int64_t *wake_us)
{
    const int64_t now = ms_clock_real_us();

    *wake_us = now + IDLE_PAUSE_US;
    for (memstore *store = stores; store != NULL; store = store->next_store) {
        if (!is_background(store) || ms_store_is_closed(store))
            continue;
        const int64_t next = next_round(store, now);
        if (next <= now)
            return store;
        if (next < *wake_us)
            *wake_us = next;
    }
    return NULL;
}

/* Put a store at the end of the list, so that the others come first next time. */
static void move_to_end_locked(memstore *store)
{
    memstore **link = &stores;

    while (*link != NULL) {
        if (*link == store)
            *link = store->next_store;
        else
            link = &(*link)->next_store;
    }
    *link = store;
    store->next_store = NULL;
}

/* Choose a store and begin its round, which keeps it from being freed. NULL when none wants one.
 * Does not wait for the registry: fork() holds it while it waits for a writer that may be
 * waiting for a grace period from this thread. */
static memstore *begin_round(int64_t *wake_us)
{
    *wake_us = ms_clock_real_us() + BUSY_PAUSE_US;
    if (!ms_mutex_try_lock(&registry_lock))
        return NULL;

    memstore *store = pick_locked(wake_us);
    if (store != NULL) {
        move_to_end_locked(store);
        ms_mutex_lock(&thread_lock);
        store->in_round = true;
        ms_mutex_unlock(&thread_lock);
        ms_store_relaxed(&store->wanted, false);
    }
    ms_mutex_unlock(&registry_lock);
    return store;
}

static void end_round(memstore *store, bool something_left)
{
    if (something_left)
        ms_store_relaxed(&store->wanted, true);
    ms_mutex_lock(&thread_lock);
    store->in_round = false;
    pthread_cond_broadcast(&round_ends);
    ms_mutex_unlock(&thread_lock);
}

/* Give one store its round. Returns when to look again. */
static int64_t work(void)
{
    int64_t wake_us;
    memstore *store = begin_round(&wake_us);

    if (store == NULL)
        return wake_us;
    const int status = ms_upkeep_run(store, ROUND_BUDGET_US, false);
    end_round(store, status != MEMSTORE_OK);
    return ms_clock_real_us() + BUSY_PAUSE_US;
}

/* Let a grace period pass for those who wait for one. Thread lock held, but not meanwhile. */
static void pass_grace_period_locked(void)
{
    const uint64_t ticket = grace_wanted;

    if (grace_done == ticket)
        return;
    ms_mutex_unlock(&thread_lock);
    ms_rcu_synchronize();
    ms_mutex_lock(&thread_lock);
    grace_done = ticket;
    pthread_cond_broadcast(&grace_ends);
}

static void *maintain(void *unused)
{
    (void)unused;
    is_maintenance_thread = true;
    ms_mutex_lock(&thread_lock);
    while (!thread_stops) {
        wake_pending = false;
        pass_grace_period_locked();
        ms_mutex_unlock(&thread_lock);
        const int64_t wake_us = work();
        ms_mutex_lock(&thread_lock);
        if (!wake_pending && !thread_stops)
            ms_cond_wait_until(&thread_wakes, &thread_lock, wake_us);
    }
    /* A call that came before its store was closed may be waiting for one, and closing for the call. */
    pass_grace_period_locked();
    ms_mutex_unlock(&thread_lock);
    return NULL;
}

/* Thread lock held. */
static bool start_locked(void)
{
    if (thread_runs)
        return true;
    thread_stops = false;
    thread_runs = ms_background_start(&thread, "memstore", maintain, NULL);
    return thread_runs;
}

static bool start(void)
{
    ms_mutex_lock(&thread_lock);
    const bool runs = start_locked();
    ms_mutex_unlock(&thread_lock);
    return runs;
}

/* Stop the thread and wait for its end, if it runs. */
static void stop(void)
{
    ms_mutex_lock(&thread_lock);
    const bool stops = thread_runs && !thread_stops;
    const pthread_t stopped = thread;
    if (stops) {
        thread_stops = true;
        pthread_cond_signal(&thread_wakes);
    }
    ms_mutex_unlock(&thread_lock);
    if (!stops)
        return;

    pthread_join(stopped, NULL);
    ms_mutex_lock(&thread_lock);
    thread_runs = false;
    ms_mutex_unlock(&thread_lock);
}

/* ---- fork ---- */

/* In the order of the ranks, of all stores one rank after the other. Grace periods are stopped
 * between the two, before anything is taken that a thread in a read section may wait for: one may
 * be waiting for that thread. */
static void lock_outer(void)
{
    ms_mutex_lock(&registry_lock);
    ms_forking_lock(stores, 0, MS_RANK_GRACE_PERIOD);
}

static void lock_inner(void)
{
    ms_forking_lock(stores, MS_RANK_GRACE_PERIOD, MS_RANK_WAITS);
    ms_leading_before_fork();
    ms_forking_lock(stores, MS_RANK_WAITS, MS_RANKS);
    ms_mutex_lock(&thread_lock);
    ms_thread_before_fork();
}

/* Nobody waits on them in a child. */
static void make_conditions(void)
{
    ms_cond_init(&thread_wakes);
    ms_cond_init(&grace_ends);
    ms_cond_init(&round_ends);
}

/* One that is closed, or that another thread was closing, has nothing to be looked after. */
static void forget_threads_locked(void)
{
    background_stores = 0;
    for (memstore *store = stores; store != NULL; store = store->next_store) {
        const bool lacks_thread = is_background(store) && !ms_store_is_closed(store);

        ms_forking_forget_threads(store);
        ms_store_relaxed(&store->lacks_thread, lacks_thread);
        background_stores += lacks_thread;
    }
}

static void unlock(bool in_child)
{
    ms_thread_after_fork();
    if (in_child) {
        ms_lanes_forget_readers();
        ms_reader_forget_others();
        ms_file_close_parents();
        thread_runs = false;
        thread_is_away = false;
        grace_done = grace_wanted;
        make_conditions();
    }
    ms_mutex_unlock(&thread_lock);
    ms_leading_after_fork();
    ms_forking_unlock(stores);
    if (in_child)
        forget_threads_locked();
    ms_mutex_unlock(&registry_lock);
}

static void prepare_process(void)
{
    static ms_fork_member member = {
        .lock_outer = lock_outer,
        .stop_grace_periods = ms_rcu_before_fork,
        .lock_inner = lock_inner,
        .resume_grace_periods = ms_rcu_after_fork,
        .unlock = unlock,
    };

    make_conditions();
    member.domain = ms_rcu_domain();
    ms_fork_register(&member);
}

/* ---- What stores call ---- */

int ms_maintenance_register(memstore *store)
{
    int status = MEMSTORE_OK;

    pthread_once(&prepare_once, prepare_process);
    ms_mutex_lock(&registry_lock);
    if (is_background(store) && !start()) {
        status = MEMSTORE_ERR_MEMORY_EXHAUSTED;
    } else {
        background_stores += is_background(store);
        store->next_store = stores;
        stores = store;
    }
    ms_mutex_unlock(&registry_lock);
    return status;
}

void ms_maintenance_retire(memstore *store)
{
    ms_mutex_lock(&registry_lock);
    background_stores -= is_background(store);
    const bool last = background_stores == 0;
    ms_mutex_unlock(&registry_lock);

    /* No round begins any more; one may be ending. */
    ms_mutex_lock(&thread_lock);
    while (store->in_round)
        ms_cond_wait(&round_ends, &thread_lock);
    ms_mutex_unlock(&thread_lock);
    if (!last)
        return;
    stop();
    /* A store that was opened while the thread was ending had none started for it. */
    ms_mutex_lock(&registry_lock);
    if (background_stores != 0)
        start();
    ms_mutex_unlock(&registry_lock);
}

void ms_maintenance_unregister(memstore *store)
{
    ms_mutex_lock(&registry_lock);
    for (memstore **link = &stores; *link != NULL; link = &(*link)->next_store) {
        if (*link == store) {
            *link = store->next_store;
            break;
        }
    }
    ms_mutex_unlock(&registry_lock);
}

bool ms_maintenance_wake(memstore *store)
{
    if (!is_background(store))
        return false;
    if (!ms_load_relaxed(&store->wanted) && !atomic_exchange(&store->wanted, true))
        ms_maintenance_plan(store);
    return true;
}

void ms_maintenance_try_wake(memstore *store)
{
    if (!is_background(store) || ms_load_relaxed(&store->wanted) ||
        !ms_mutex_try_lock(&thread_lock))
        return;
    ms_store_relaxed(&store->wanted, true);
    wake_pending = true;
    pthread_cond_signal(&thread_wakes);
    ms_mutex_unlock(&thread_lock);
}

bool ms_maintenance_plan(memstore *store)
{
    if (!is_background(store))
        return true;
    ms_mutex_lock(&thread_lock);
    /* Once a store is closed its thread may be stopped, and is not to be started again. */
    const bool runs = ms_store_is_closed(store) || start_locked();
    if (runs) {
        wake_pending = true;
        pthread_cond_signal(&thread_wakes);
    }
    ms_mutex_unlock(&thread_lock);
    return runs;
}

void ms_maintenance_resume(memstore *store)
{
    if (ms_maintenance_plan(store))
        ms_store_relaxed(&store->lacks_thread, false);
}

bool ms_maintenance_is_me(void)
{
    return is_maintenance_thread;
}

/* Thread lock held, and the thread runs. */
static uint64_t begin_locked(void)
{
    grace_wanted++;
    if (!is_maintenance_thread) {
        wake_pending = true;
        pthread_cond_signal(&thread_wakes);
    }
    return grace_wanted;
}

/* Thread lock held, but not while waiting. */
static bool await_locked(uint64_t number, int64_t deadline_us)
{
    while (grace_done < number && !ms_wait_is_over(deadline_us))
        ms_cond_wait_until(&grace_ends, &thread_lock, ms_wait_look(deadline_us));
    return grace_done >= number;
}

bool ms_maintenance_grace_period(memstore *store, int64_t deadline_us)
{
    if (ms_testing_has_fault(MS_FAULT_NO_GRACE_PERIOD))
        return true;
    ms_wait_begins();
    ms_mutex_lock(&thread_lock);
    if (is_maintenance_thread || !is_background(store) || ms_store_is_closed(store) ||
        thread_is_away || !start_locked()) {
        const bool waits = deadline_us != MS_HARVEST_NO_WAIT || !thread_is_away;

        ms_mutex_unlock(&thread_lock);
        if (waits)
            ms_rcu_synchronize();
        return waits;
    }
    const bool passed = await_locked(begin_locked(), deadline_us);
    ms_mutex_unlock(&thread_lock);
    return passed;
}

uint64_t ms_maintenance_begin_grace_period(memstore *store)
{
    uint64_t number = 0;

    if (!is_background(store) || ms_store_is_closed(store) ||
        ms_testing_has_fault(MS_FAULT_NO_GRACE_PERIOD))
        return 0;
    ms_mutex_lock(&thread_lock);
    if (!thread_is_away && start_locked())
        number = begin_locked();
    ms_mutex_unlock(&thread_lock);
    return number;
}

bool ms_maintenance_await_grace_period(uint64_t number, int64_t deadline_us)
{
    const bool waits = deadline_us != 0 && !is_maintenance_thread;

    if (waits)
        ms_wait_begins();
    ms_mutex_lock(&thread_lock);
    const bool passed = waits ? await_locked(number, deadline_us) : grace_done >= number;
    ms_mutex_unlock(&thread_lock);
    return passed;
}

void ms_maintenance_pass_grace_periods(void)
{
    ms_mutex_lock(&thread_lock);
    pass_grace_period_locked();
    ms_mutex_unlock(&thread_lock);
}

void ms_maintenance_goes_away(void)
{
    if (!is_maintenance_thread)
        return;
    ms_mutex_lock(&thread_lock);
    /* In this order: from now on nobody asks for one. */
    thread_is_away = true;
    pass_grace_period_locked();
    ms_mutex_unlock(&thread_lock);
}

void ms_maintenance_is_back(void)
{
    if (!is_maintenance_thread)
        return;
    ms_mutex_lock(&thread_lock);
    thread_is_away = false;
    ms_mutex_unlock(&thread_lock);
}
