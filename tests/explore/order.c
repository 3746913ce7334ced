/* SPDX-License-Identifier: Apache-2.0 */
/* Which thread goes on: dynamic partial order reduction.
 *
 * Two steps depend on each other when they are about the same object and one of them changes it.
 * Runs that differ only in the order of steps that do not depend on each other come to the same,
 * and one of them is enough. After Abdulla, Aronsson, Jonsson and Sagonas, "Optimal dynamic
 * partial order reduction" (POPL 2014), with source sets and sleep sets: whenever a step turns
 * out to depend on an earlier one of another thread that it could have come before, the threads
 * that make that happen are noted where the earlier one was taken; and a thread whose next step
 * has been seen at a point is not taken again after it until something that depends on that step
 * has happened.
 *
 * A run is repeated up to the last point where something is left to try, and goes on from there
 * with that. */
#include "schedule.h"

#include <string.h>

/* A point of decision, and the step that was taken there. */
struct node {
    uint8_t enabled;   /* threads that could go on */
    uint8_t sleep;     /* threads that need not be taken here */
    uint8_t backtrack; /* threads to be taken here */
    uint8_t done;      /* threads that were, in every way */
    uint8_t thread;
    uint8_t way, ways; /* explore_choose() */
};

struct event {
    struct step step;
    unsigned thread;
    uint16_t number; /* of the thread's steps */
    uint16_t knows[EXPLORE_THREADS];
};

static struct node nodes[EXPLORE_DEPTH];
static struct event events[EXPLORE_DEPTH];
static unsigned depth;      /* steps taken in this run */
static unsigned prescribed; /* of those, how many were told */
static unsigned node_count;
static uint8_t sleep_next;
static uint64_t steps_taken;

/* How many steps of each thread come before the next one of a thread. */
static uint16_t knows_of[EXPLORE_THREADS][EXPLORE_THREADS];
/* What the sections have taken that a thread's grace period waits for. */
static uint16_t waited[EXPLORE_THREADS][EXPLORE_THREADS];

/* ---- Dependence ---- */

static bool reads_only(enum step_kind kind)
{
    return kind == STEP_READ || kind == STEP_ENTER;
}

static bool depends(const struct step *a, const struct step *b)
{
    if (a->object != b->object)
        return false;
    /* Only which call returned before which began can be told from outside. */
    if (a->kind == STEP_CALL || a->kind == STEP_RETURN)
        return a->kind != b->kind;
    return !reads_only(a->kind) || !reads_only(b->kind);
}

static bool comes_before(int event, const uint16_t *knows)
{
    return knows[events[event].thread] >= events[event].number;
}

static void join_knows(uint16_t *knows, const uint16_t *other)
{
    for (unsigned t = 0; t < EXPLORE_THREADS; t++) {
        if (other[t] > knows[t])
            knows[t] = other[t];
    }
}

static void learn(uint16_t *knows, int event)
{
    if (event >= 0)
        join_knows(knows, events[event].knows);
}

void explore_grace_begun(void)
{
    memset(waited[explore_running->number], 0, sizeof waited[0]);
}

void explore_section_ended(unsigned waiter)
{
    join_knows(waited[waiter], knows_of[explore_running->number]);
}

/* Threads that could go first of those steps after `event` that do not depend on it, and the step
 * that `thread` takes now, which knows `knows`. */
static unsigned initials(int event, unsigned thread, const uint16_t *knows)
{
    uint16_t first[EXPLORE_THREADS] = {0}; /* of each thread in this sequence; 0 = none */
    unsigned found = 0;

    for (unsigned i = (unsigned)event + 1; i <= depth; i++) {
        const bool last = i == depth;
        const uint16_t *known = last ? knows : events[i].knows;
        const unsigned t = last ? thread : events[i].thread;
        bool free = true;

        if ((!last && comes_before(event, known)) || first[t] != 0)
            continue;
        for (unsigned other = 0; other < EXPLORE_THREADS; other++) {
            if (other != t && first[other] != 0 && known[other] >= first[other])
                free = false;
        }
        first[t] = last ? UINT16_MAX : events[i].number;
        if (free)
            found |= 1u << t;
    }
    return found;
}

/* The step that `thread` takes now could have come before `event`: let that be tried. */
static void note_race(int event, unsigned thread, const uint16_t *knows)
{
    struct node *node = &nodes[event];
    const unsigned first = initials(event, thread, knows) & node->enabled;

    if ((first & (node->backtrack | node->sleep)) != 0)
        return;
    if ((first >> thread & 1) != 0)
        node->backtrack |= (uint8_t)(1u << thread);
    else if (first != 0)
        node->backtrack |= (uint8_t)(first & -first);
    else
        node->backtrack |= node->enabled;
}

/* ---- Taking a step ---- */

/* Earlier steps that the next one of `thread` depends on, the last of each kind. */
static unsigned conflicts(const struct object *object, const struct step *step,
                          int found[EXPLORE_THREADS + 1])
{
    unsigned count = 0;

    if (step->kind == STEP_CALL) {
        for (unsigned t = 0; t < EXPLORE_THREADS; t++)
            found[count++] = object->last_write_of[t];
    } else if (step->kind == STEP_LOCK) {
        /* Not the unlock before: without it this step cannot be taken. */
        found[count++] = object->last_lock;
        for (unsigned t = 0; t < EXPLORE_THREADS; t++)
            found[count++] = object->last_read[t];
    } else if (step->kind != STEP_GRACE_ENDS) {
        if (step->kind != STEP_RETURN)
            found[count++] = object->last_write;
        for (unsigned t = 0; t < EXPLORE_THREADS && !reads_only(step->kind); t++)
            found[count++] = object->last_read[t];
    }
    return count;
}

static void remember(struct object *object, const struct step *step, unsigned thread)
{
    const int now = (int)depth;

    if (step->kind == STEP_CALL || reads_only(step->kind)) {
        object->last_read[thread] = now;
        return;
    }
    object->last_write = now;
    object->last_write_of[thread] = now;
    if (step->kind == STEP_LOCK || step->kind == STEP_TRY_LOCK)
        object->last_lock = now;
}

/* What the next step of `thread` comes after, now that it is taken. */
static void learn_conflicts(const struct object *object, const struct step *step, unsigned thread,
                            uint16_t *knows)
{
    if (step->kind == STEP_GRACE_ENDS) {
        join_knows(knows, waited[thread]);
        return;
    }
    if (step->kind == STEP_CALL) {
        for (unsigned t = 0; t < EXPLORE_THREADS; t++)
            learn(knows, object->last_write_of[t]);
        return;
    }
    if (step->kind != STEP_RETURN)
        learn(knows, object->last_write);
    for (unsigned t = 0; t < EXPLORE_THREADS && !reads_only(step->kind); t++)
        learn(knows, object->last_read[t]);
}

static void take_step(unsigned thread)
{
    const struct step *step = &explore_threads[thread].next;
    struct object *object = explore_object(step->object);
    uint16_t *knows = knows_of[thread];
    int found[EXPLORE_THREADS + 1];
    uint16_t before[EXPLORE_THREADS];
    const unsigned count = conflicts(object, step, found);

    memcpy(before, knows, sizeof before);
    learn_conflicts(object, step, thread, knows);
    for (unsigned i = 0; depth + 1 >= prescribed && i < count; i++) {
        if (found[i] >= 0 && events[found[i]].thread != thread && !comes_before(found[i], before))
            note_race(found[i], thread, knows);
    }
    struct event *event = &events[depth];
    event->step = *step;
    event->thread = thread;
    event->number = ++knows[thread];
    memcpy(event->knows, knows, sizeof event->knows);
    remember(object, step, thread);
}

static void sleep_after(const struct node *node, unsigned thread)
{
    const unsigned asleep = (node->sleep | node->done) & ~(1u << thread);

    sleep_next = 0;
    for (unsigned t = 0; t < explore_thread_count; t++) {
        if ((asleep >> t & 1) != 0 &&
            !depends(&explore_threads[t].next, &explore_threads[thread].next))
            sleep_next |= (uint8_t)(1u << t);
    }
}

static unsigned enabled_threads(void)
{
    unsigned enabled = 0;

    for (unsigned t = 0; t < explore_thread_count; t++) {
        if (!explore_threads[t].finished && !explore_is_blocked(&explore_threads[t]))
            enabled |= 1u << t;
    }
    return enabled;
}

static bool all_finished(void)
{
    for (unsigned t = 0; t < explore_thread_count; t++) {
        if (!explore_threads[t].finished)
            return false;
    }
    return true;
}

static void open_node(struct node *node)
{
    const unsigned enabled = enabled_threads();
    const unsigned wanted = enabled & ~(unsigned)sleep_next;

    if (enabled == 0)
        explore_fail("nobody can go on");
    if (wanted == 0)
        explore_end_run(RUN_REDUNDANT);
    const unsigned here = explore_running != NULL ? explore_running->number : 0;
    const unsigned thread = (wanted >> here & 1) != 0 ? here : (unsigned)__builtin_ctz(wanted);
    *node = (struct node){.enabled = (uint8_t)enabled,
                          .sleep = sleep_next,
                          .backtrack = (uint8_t)(1u << thread),
                          .thread = (uint8_t)thread,
                          .ways = 1};
    node_count = depth + 1;
}

unsigned order_decide(void)
{
    if (all_finished())
        explore_end_run(RUN_FINISHED);
    if (depth == EXPLORE_DEPTH)
        explore_fail("more steps in a run than the explorer can hold");

    struct node *node = &nodes[depth];
    if (depth >= prescribed)
        open_node(node);
    take_step(node->thread);
    sleep_after(node, node->thread);
    depth++;
    steps_taken++;
    return node->thread;
}

unsigned explore_choose(unsigned n)
{
    struct node *node = &nodes[depth - 1];

    if (depth > prescribed || node->ways == 1)
        node->ways = n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
    return node->way;
}

/* ---- Runs ---- */

void order_start_run(void)
{
    depth = 0;
    sleep_next = 0;
    memset(knows_of, 0, sizeof knows_of);
}

void schedule_reset(void)
{
    prescribed = 0;
    node_count = 0;
    steps_taken = 0;
}

bool schedule_next(void)
{
    while (node_count > 0) {
        struct node *node = &nodes[node_count - 1];

        prescribed = node_count;
        if (node->way + 1 < node->ways) {
            node->way++;
            return true;
        }
        node->done |= (uint8_t)(1u << node->thread);
        const unsigned left = node->backtrack & ~(unsigned)(node->done | node->sleep);
        if (left != 0) {
            node->thread = (uint8_t)__builtin_ctz(left);
            node->way = 0;
            node->ways = 1;
            return true;
        }
        node_count--;
    }
    return false;
}

uint64_t schedule_steps(void)
{
    return steps_taken;
}

int report_next_step(int at, unsigned *thread, struct step *step)
{
    if ((unsigned)at >= depth)
        return -1;
    *thread = events[at].thread;
    *step = events[at].step;
    return at + 1;
}
