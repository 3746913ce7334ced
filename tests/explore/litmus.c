/* SPDX-License-Identifier: Apache-2.0 */
#include "litmus.h"

#include "platform/atomic.h"
#include "platform/mem.h"
#include "platform/rcu.h"
#include "platform/thread.h"

#include <string.h>

struct cells {
    atomic_int x, y;
    int plain;
    ms_mutex lock, other_lock;
};

static struct cells *cells;
static int registers[4]; /* outside of the memory that is explored */
static unsigned register_count;

int litmus_outcome(void)
{
    int outcome = 0;

    for (unsigned i = 0; i < register_count; i++)
        outcome = outcome * 10 + registers[i];
    return outcome;
}

static void setup(unsigned count)
{
    cells = ms_mem_alloc(sizeof *cells);
    memset(cells, 0, sizeof *cells);
    register_count = count;
}

static void no_register(memstore *store)
{
    (void)store;
    setup(0);
}

static void one_register(memstore *store)
{
    (void)store;
    setup(1);
}

static void two_registers(memstore *store)
{
    (void)store;
    setup(2);
}

static void four_registers(memstore *store)
{
    (void)store;
    setup(4);
}

#define THREAD(name, ...)                                                                          \
    static void name(memstore *store)                                                              \
    {                                                                                              \
        (void)store;                                                                               \
        __VA_ARGS__                                                                                \
    }

#define SEQ_CST_LOAD(p) atomic_load_explicit((p), memory_order_seq_cst)
#define SEQ_CST_STORE(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)

THREAD(x_then_y, ms_store_relaxed(&cells->x, 1); ms_store_relaxed(&cells->y, 1);)
THREAD(x_then_y_release, ms_store_relaxed(&cells->x, 1); ms_store_release(&cells->y, 1);)
THREAD(read_y_x, registers[0] = ms_load_relaxed(&cells->y);
       registers[1] = ms_load_relaxed(&cells->x);)
THREAD(read_y_x_acquire, registers[0] = ms_load_acquire(&cells->y);
       registers[1] = ms_load_relaxed(&cells->x);)

THREAD(x_read_y, ms_store_relaxed(&cells->x, 1); registers[0] = ms_load_relaxed(&cells->y);)
THREAD(y_read_x, ms_store_relaxed(&cells->y, 1); registers[1] = ms_load_relaxed(&cells->x);)
THREAD(x_read_y_ra, ms_store_release(&cells->x, 1); registers[0] = ms_load_acquire(&cells->y);)
THREAD(y_read_x_ra, ms_store_release(&cells->y, 1); registers[1] = ms_load_acquire(&cells->x);)
THREAD(x_read_y_sc, SEQ_CST_STORE(&cells->x, 1); registers[0] = SEQ_CST_LOAD(&cells->y);)
THREAD(y_read_x_sc, SEQ_CST_STORE(&cells->y, 1); registers[1] = SEQ_CST_LOAD(&cells->x);)

THREAD(read_x_y, registers[0] = ms_load_relaxed(&cells->x); ms_store_relaxed(&cells->y, 1);)
THREAD(read_y_set_x, registers[1] = ms_load_relaxed(&cells->y); ms_store_relaxed(&cells->x, 1);)

THREAD(x_1_2, ms_store_relaxed(&cells->x, 1); ms_store_relaxed(&cells->x, 2);)
THREAD(read_x_x, registers[0] = ms_load_relaxed(&cells->x);
       registers[1] = ms_load_relaxed(&cells->x);)

THREAD(set_x, ms_store_release(&cells->x, 1);)
THREAD(set_y, ms_store_release(&cells->y, 1);)
THREAD(read_xy_acquire, registers[0] = ms_load_acquire(&cells->x);
       registers[1] = ms_load_acquire(&cells->y);)
THREAD(read_yx_acquire, registers[2] = ms_load_acquire(&cells->y);
       registers[3] = ms_load_acquire(&cells->x);)
THREAD(set_x_sc, SEQ_CST_STORE(&cells->x, 1);)
THREAD(set_y_sc, SEQ_CST_STORE(&cells->y, 1);)
THREAD(read_xy_sc, registers[0] = SEQ_CST_LOAD(&cells->x); registers[1] = SEQ_CST_LOAD(&cells->y);)
THREAD(read_yx_sc, registers[2] = SEQ_CST_LOAD(&cells->y); registers[3] = SEQ_CST_LOAD(&cells->x);)

THREAD(count_0, registers[0] = ms_add_relaxed(&cells->x, 1);)
THREAD(count_1, registers[1] = ms_add_relaxed(&cells->x, 1);)

THREAD(publish, cells->plain = 1; ms_store_release(&cells->x, 1);)
THREAD(publish_relaxed, cells->plain = 1; ms_store_relaxed(&cells->x, 1);)
THREAD(pass_on, ms_add_relaxed(&cells->x, 1);)
THREAD(overwrite, if (ms_load_relaxed(&cells->x) == 1) ms_store_relaxed(&cells->x, 2);)
THREAD(consume_2, registers[0] = 0;
       if (ms_load_acquire(&cells->x) == 2) registers[0] = cells->plain;)
THREAD(consume, registers[0] = 0; if (ms_load_acquire(&cells->x) == 1) registers[0] = cells->plain;)

THREAD(count_locked, ms_mutex_lock(&cells->lock); registers[0] = ++cells->plain;
       ms_mutex_unlock(&cells->lock);)
THREAD(count_unlocked, cells->plain++;)
THREAD(lock_both, ms_mutex_lock(&cells->lock); ms_mutex_lock(&cells->other_lock);
       ms_mutex_unlock(&cells->other_lock); ms_mutex_unlock(&cells->lock);)
THREAD(lock_both_otherwise, ms_mutex_lock(&cells->other_lock); ms_mutex_lock(&cells->lock);
       ms_mutex_unlock(&cells->lock); ms_mutex_unlock(&cells->other_lock);)
THREAD(try_lock_0, registers[0] = ms_mutex_try_lock(&cells->lock);
       if (registers[0]) ms_mutex_unlock(&cells->lock);)
THREAD(try_lock_1, registers[1] = ms_mutex_try_lock(&cells->lock);
       if (registers[1]) ms_mutex_unlock(&cells->lock);)

/* The reader reads `plain` unless x says that it is gone. */
THREAD(read_in_section, registers[0] = 0; ms_rcu_read_lock();
       if (ms_load_relaxed(&cells->x) == 0) registers[0] = cells->plain + 1; ms_rcu_read_unlock();)
THREAD(remove_and_free, ms_store_relaxed(&cells->x, 1); ms_rcu_synchronize(); cells->plain = 5;)
THREAD(remove_at_once, ms_store_relaxed(&cells->x, 1); cells->plain = 5;)

THREAD(three_times, for (int i = 0; i < 3; i++) ms_store_relaxed(&cells->x, i);)
THREAD(three_others, for (int i = 0; i < 3; i++) ms_store_relaxed(&cells->y, i);)
THREAD(twice, for (int i = 0; i < 2; i++) ms_store_relaxed(&cells->x, i);)

#define SETTINGS {"performance.memory_limit=128KiB", "shards=1", "maintenance=manual"}
#define SCENARIO(text, begin, ...)                                                                 \
    .scenario = {.name = text, .settings = SETTINGS, .setup = begin, .steps = {__VA_ARGS__}}
#define DOES(f)                                                                                    \
    {                                                                                              \
        {                                                                                          \
            .other = f                                                                             \
        }                                                                                          \
    }

const struct litmus litmus_tests[] = {
    {SCENARIO("message passing, relaxed", two_registers, DOES(x_then_y), DOES(read_y_x)),
     .outcomes = {0, 1, 11, -1}, .weak_outcomes = {0, 1, 10, 11, -1}},
    {SCENARIO("message passing, released and acquired", two_registers, DOES(x_then_y_release),
              DOES(read_y_x_acquire)),
     .outcomes = {0, 1, 11, -1}, .weak_outcomes = {0, 1, 11, -1}},
    {SCENARIO("message passing, released alone", two_registers, DOES(x_then_y_release),
              DOES(read_y_x)),
     .outcomes = {0, 1, 11, -1}, .weak_outcomes = {0, 1, 10, 11, -1}},
    {SCENARIO("store buffering, relaxed", two_registers, DOES(x_read_y), DOES(y_read_x)),
     .outcomes = {1, 10, 11, -1}, .weak_outcomes = {0, 1, 10, 11, -1}},
    {SCENARIO("store buffering, released and acquired", two_registers, DOES(x_read_y_ra),
              DOES(y_read_x_ra)),
     .outcomes = {1, 10, 11, -1}, .weak_outcomes = {0, 1, 10, 11, -1}},
    {SCENARIO("store buffering, sequentially consistent", two_registers, DOES(x_read_y_sc),
              DOES(y_read_x_sc)),
     .outcomes = {1, 10, 11, -1}, .weak_outcomes = {1, 10, 11, -1}},
    {SCENARIO("load buffering: not what this explorer shows", two_registers, DOES(read_x_y),
              DOES(read_y_set_x)),
     .outcomes = {0, 1, 10, -1}, .weak_outcomes = {0, 1, 10, -1}},
    {SCENARIO("two reads of one location", two_registers, DOES(x_1_2), DOES(read_x_x)),
     .outcomes = {0, 1, 2, 11, 12, 22, -1}, .weak_outcomes = {0, 1, 2, 11, 12, 22, -1}},
    {SCENARIO("two writers, two readers, released and acquired", four_registers, DOES(set_x),
              DOES(set_y), DOES(read_xy_acquire), DOES(read_yx_acquire)),
     .outcomes = {0, 1, 10, 11, 100, 101, 110, 111, 1000, 1001, 1011, 1100, 1101, 1110, 1111, -1},
     .weak_outcomes = {-2}},
    {SCENARIO("two writers, two readers, sequentially consistent", four_registers, DOES(set_x_sc),
              DOES(set_y_sc), DOES(read_xy_sc), DOES(read_yx_sc)),
     .outcomes = {0, 1, 10, 11, 100, 101, 110, 111, 1000, 1001, 1011, 1100, 1101, 1110, 1111, -1},
     .weak_outcomes = {0, 1, 10, 11, 100, 101, 110, 111, 1000, 1001, 1011, 1100, 1101, 1110, 1111,
                       -1}},
    {SCENARIO("two who count", two_registers, DOES(count_0), DOES(count_1)),
     .outcomes = {1, 10, -1}, .weak_outcomes = {1, 10, -1}},
    {SCENARIO("publication", one_register, DOES(publish), DOES(consume)), .outcomes = {0, 1, -1},
     .weak_outcomes = {0, 1, -1}},
    {SCENARIO("publication without release", one_register, DOES(publish_relaxed), DOES(consume)),
     .fails = "data race"},
    {SCENARIO("what a read-modify-write passes on", one_register, DOES(publish), DOES(pass_on),
              DOES(consume_2)),
     .outcomes = {0, 1, -1}, .weak_outcomes = {0, 1, -1}},
    {SCENARIO("what a store does not pass on", one_register, DOES(publish), DOES(overwrite),
              DOES(consume_2)),
     .fails = "data race"},
    {SCENARIO("counting under a lock", one_register, DOES(count_locked), DOES(count_locked),
              DOES(count_locked)),
     .outcomes = {3, -1}, .weak_outcomes = {3, -1}, .runs = 6},
    {SCENARIO("counting without a lock", no_register, DOES(count_unlocked), DOES(count_unlocked)),
     .fails = "data race"},
    {SCENARIO("two locks in two orders", no_register, DOES(lock_both), DOES(lock_both_otherwise)),
     .fails = "nobody can go on"},
    {SCENARIO("two who try to lock", two_registers, DOES(try_lock_0), DOES(try_lock_1)),
     .outcomes = {1, 10, 11, -1}, .weak_outcomes = {1, 10, 11, -1}},
    {SCENARIO("freeing after a grace period", one_register, DOES(remove_and_free),
              DOES(read_in_section)),
     .outcomes = {0, 1, -1}, .weak_outcomes = {0, 1, -1}},
    {SCENARIO("freeing without a grace period", one_register, DOES(remove_at_once),
              DOES(read_in_section)),
     .fails = "data race"},
    {SCENARIO("six steps that depend on each other", no_register, DOES(three_times),
              DOES(three_times)),
     .outcomes = {0, -1}, .weak_outcomes = {0, -1}, .runs = 20},
    {SCENARIO("six steps that do not", no_register, DOES(three_times), DOES(three_others)),
     .outcomes = {0, -1}, .weak_outcomes = {0, -1}, .runs = 1},
    {SCENARIO("three threads of two steps", no_register, DOES(twice), DOES(twice), DOES(twice)),
     .outcomes = {0, -1}, .weak_outcomes = {0, -1}, .runs = 90},
};

const unsigned litmus_test_count = sizeof litmus_tests / sizeof litmus_tests[0];
