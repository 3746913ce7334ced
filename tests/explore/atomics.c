/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic operations. Each location has the messages stored to it, in order; a load reads the last
 * of them or, in EXPLORE_WEAK, an older one that its thread's view still allows:
 *
 *     a thread never goes back behind a message that it has read or written, or that happens
 *     before by what it has acquired (coherence)
 *     a release store hands the thread's view on, an acquire load takes it over; a read-modify-
 *     write reads the last message and hands on what came with it (release sequences of C++20)
 *     a sequentially consistent load reads nothing older than the last sequentially consistent
 *     store to its location
 *
 * Loads do not read what is stored later (no promises), which no compiler or processor in use
 * makes of these operations where data or control depends on the load. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define RELAXED __ATOMIC_RELAXED
#define SITES_MAX 4096

static unsigned location_count;
static uint64_t stale_reads;

/* ---- Views ---- */

void view_join(struct view *into, const struct view *other)
{
    if (other == NULL)
        return;
    for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
        if (other->clock[t] > into->clock[t])
            into->clock[t] = other->clock[t];
    }
    for (unsigned i = 0; i < EXPLORE_LOCATIONS; i++)
        into->seen[i] = other->seen[i] > into->seen[i] ? other->seen[i] : into->seen[i];
}

struct view *view_keep(const struct view *view)
{
    struct view *kept = memory_scratch(sizeof *kept);

    *kept = *view;
    return kept;
}

/* ---- Planted faults ---- */

static const void *sites[SITES_MAX];
static unsigned site_count;
static int relaxed_site = -1;

void explore_relax(int n)
{
    relaxed_site = n;
    site_count = 0;
}

bool explore_has_relaxed(void)
{
    return relaxed_site >= 0 && (unsigned)relaxed_site < site_count;
}

const char *explore_relaxed_place(void)
{
    return report_place(sites[relaxed_site]);
}

static unsigned site_number(const void *site)
{
    for (unsigned i = 0; i < site_count; i++) {
        if (sites[i] == site)
            return i;
    }
    if (site_count < SITES_MAX)
        sites[site_count++] = site;
    return site_count - 1;
}

/* The order that an operation has, by its place in the code, with the fault that is planted. */
static int order_at(int order, const void *site)
{
    if (order == RELAXED || relaxed_site < 0)
        return order;
    return site_number(site) == (unsigned)relaxed_site ? RELAXED : order;
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* ---- Messages ---- */

void atomics_start_run(void)
{
    location_count = 0;
    stale_reads = 0;
}

void atomics_forget(struct object *object)
{
    object->count = 0;
}

static uint64_t load_memory(const void *address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, address, size);
    return value;
}

static void add_message(struct object *object, uint64_t value, const struct view *released)
{
    if (object->count == object->room) {
        struct message *old = object->messages;

        object->room = object->room != 0 ? object->room * 2 : 4;
        object->messages = memory_scratch(object->room * sizeof *old);
        if (object->count != 0)
            memcpy(object->messages, old, object->count * sizeof *old);
    }
    if (object->count == UINT8_MAX)
        explore_fail("more stores to a location than the explorer can tell apart");
    object->messages[object->count++] = (struct message){value, released};
}

/* The location, with what memory holds as its first message. */
static struct object *location_at(void *address, unsigned size)
{
    struct object *object = explore_object(address);

    if (object->count == 0) {
        if (location_count == EXPLORE_LOCATIONS)
            explore_fail("more atomic locations than the explorer can tell apart");
        object->location = location_count++;
        object->size = size;
        object->last_seq_cst = 0;
        object->room = 0;
        add_message(object, load_memory(address, size), NULL);
    }
    if (object->size != size)
        explore_fail("atomic accesses of %u and %u bytes to one location", object->size, size);
    return object;
}

/* The oldest message that this load may read. */
static unsigned oldest_readable(const struct object *object, const struct thread *me, int order)
{
    unsigned oldest = me->view.seen[object->location];

    if (order == __ATOMIC_SEQ_CST && object->last_seq_cst > oldest)
        oldest = object->last_seq_cst;
    return oldest;
}

static uint64_t read_message(struct object *object, struct thread *me, unsigned number, int order)
{
    const struct message *message = &object->messages[number];

    if (number > me->view.seen[object->location])
        me->view.seen[object->location] = (uint8_t)number;
    if (acquires(order))
        view_join(&me->view, message->released);
    return message->value;
}

static uint64_t load(void *address, unsigned size, int order, const void *site)
{
    struct thread *me = explore_running;

    if (me == NULL || !memory_is_shared(address))
        return load_memory(address, size);
    order = order_at(order, site);
    explore_reach(STEP_READ, address, site);
    memory_atomic(address, size, false, site);

    struct object *object = location_at(address, size);
    const unsigned last = object->count - 1;
    unsigned back = 0;
    if (explore_mode == EXPLORE_WEAK && stale_reads < explore_stale)
        back = explore_choose(last - oldest_readable(object, me, order) + 1);
    stale_reads += back != 0;
    const uint64_t value = read_message(object, me, last - back, order);
    me->view.clock[me->number]++;
    return value;
}

static void store_message(struct object *object, struct thread *me, void *address, uint64_t value,
                          const struct view *released, int order)
{
    add_message(object, value, released);
    me->view.seen[object->location] = (uint8_t)(object->count - 1);
    if (order == __ATOMIC_SEQ_CST)
        object->last_seq_cst = object->count - 1;
    memcpy(address, &value, object->size);
}

/* The view that a store hands on includes the store itself. */
static const struct view *view_with(struct thread *me, const struct object *object, int order)
{
    if (!releases(order))
        return NULL;
    struct view *view = view_keep(&me->view);
    view->seen[object->location] = (uint8_t)object->count;
    return view;
}

static void store(void *address, unsigned size, uint64_t value, int order, const void *site)
{
    struct thread *me = explore_running;

    if (me == NULL || !memory_is_shared(address)) {
        memcpy(address, &value, size);
        return;
    }
    order = order_at(order, site);
    explore_reach(STEP_WRITE, address, site);
    memory_atomic(address, size, true, site);

    struct object *object = location_at(address, size);
    store_message(object, me, address, value, view_with(me, object, order), order);
    me->view.clock[me->number]++;
}

/* What a read-modify-write makes of the old value; false = it stores nothing. */
typedef bool (*change)(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new);

static uint64_t modify(void *address, unsigned size, change how, uint64_t operand,
                       uint64_t expected, int order, const void *site)
{
    struct thread *me = explore_running;
    uint64_t new = 0;

    if (me == NULL || !memory_is_shared(address)) {
        const uint64_t old = load_memory(address, size);
        if (how(old, operand, expected, &new))
            memcpy(address, &new, size);
        return old;
    }
    order = order_at(order, site);
    explore_reach(STEP_WRITE, address, site);
    memory_atomic(address, size, true, site);

    struct object *object = location_at(address, size);
    const unsigned last = object->count - 1;
    const struct view *came = object->messages[last].released;
    const uint64_t old = read_message(object, me, last, order);
    if (how(old, operand, expected, &new)) {
        const struct view *released = view_with(me, object, order);
        if (released == NULL && came != NULL) {
            released = came;
        } else if (released != NULL && came != NULL) {
            struct view *both = view_keep(released);
            view_join(both, came);
            released = both;
        }
        store_message(object, me, address, new, released, order);
    }
    me->view.clock[me->number]++;
    return old;
}

static bool change_add(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    (void)expected;
    *new = old + operand;
    return true;
}

static bool change_sub(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    (void)expected;
    *new = old - operand;
    return true;
}

static bool change_or(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    (void)expected;
    *new = old | operand;
    return true;
}

static bool change_and(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    (void)expected;
    *new = old &operand;
    return true;
}

static bool change_to(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    (void)old;
    (void)expected;
    *new = operand;
    return true;
}

static bool change_if(uint64_t old, uint64_t operand, uint64_t expected, uint64_t *new)
{
    *new = operand;
    return old == expected;
}

/* ---- What gcc calls ---- */

#define SITE __builtin_return_address(0)

#define DEFINE_FETCH(bits, name, how)                                                              \
    uint##bits##_t __tsan_atomic##bits##_##name(void *p, uint##bits##_t value, int order);         \
    uint##bits##_t __tsan_atomic##bits##_##name(void *p, uint##bits##_t value, int order)          \
    {                                                                                              \
        return (uint##bits##_t)modify(p, bits / 8, how, value, 0, order, SITE);                    \
    }

#define DEFINE_ATOMICS(bits)                                                                       \
    uint##bits##_t __tsan_atomic##bits##_load(void *p, int order);                                 \
    uint##bits##_t __tsan_atomic##bits##_load(void *p, int order)                                  \
    {                                                                                              \
        return (uint##bits##_t)load(p, bits / 8, order, SITE);                                     \
    }                                                                                              \
    void __tsan_atomic##bits##_store(void *p, uint##bits##_t value, int order);                    \
    void __tsan_atomic##bits##_store(void *p, uint##bits##_t value, int order)                     \
    {                                                                                              \
        store(p, bits / 8, value, order, SITE);                                                    \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(void *p, void *expected,                     \
                                                      uint##bits##_t value, int order, int other); \
    int __tsan_atomic##bits##_compare_exchange_strong(void *p, void *expected,                     \
                                                      uint##bits##_t value, int order, int other)  \
    {                                                                                              \
        uint##bits##_t *wanted = expected;                                                         \
        const uint##bits##_t old =                                                                 \
            (uint##bits##_t)modify(p, bits / 8, change_if, value, *wanted, order, SITE);           \
        const int swapped = old == *wanted;                                                        \
        (void)other;                                                                               \
        *wanted = old;                                                                             \
        return swapped;                                                                            \
    }                                                                                              \
    DEFINE_FETCH(bits, exchange, change_to)                                                        \
    DEFINE_FETCH(bits, fetch_add, change_add)                                                      \
    DEFINE_FETCH(bits, fetch_sub, change_sub)                                                      \
    DEFINE_FETCH(bits, fetch_or, change_or)                                                        \
    DEFINE_FETCH(bits, fetch_and, change_and)

DEFINE_ATOMICS(8)
DEFINE_ATOMICS(16)
DEFINE_ATOMICS(32)
DEFINE_ATOMICS(64)
