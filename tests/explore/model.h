/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the explorer share.
 *
 * Two orders are kept. The *trace order* is that of steps that depend on each other, in the order
 * in which this run took them; by it order.c knows which other orders there are. *Happens
 * before* is C11's, by which values may be read and plain accesses are told apart; it is held in
 * views.
 *
 *     view     for each thread, how far its steps are known here; for each atomic location, the
 *              oldest message that may still be read
 *     message  a value stored to a location, in the order of the stores, and the view that comes
 *              with it when it is acquired
 *
 * Everything here is started over with every run; a stamp, the number of the run, tells what is
 * of this one. */
#ifndef EXPLORE_MODEL_H
#define EXPLORE_MODEL_H

#include "explore.h"

#include <stddef.h>

#define EXPLORE_LOCATIONS 1024
#define EXPLORE_DEPTH 6000 /* steps of a run */

struct view {
    uint16_t clock[EXPLORE_THREADS];
    uint8_t seen[EXPLORE_LOCATIONS];
};

enum step_kind {
    STEP_READ,
    STEP_WRITE, /* read-modify-writes too */
    STEP_LOCK,
    STEP_TRY_LOCK,
    STEP_UNLOCK,
    STEP_ENTER, /* a read section */
    STEP_GRACE_BEGINS,
    STEP_GRACE_ENDS,
    STEP_CALL, /* an operation of the history begins */
    STEP_RETURN
};

struct step {
    enum step_kind kind;
    const void *object;
    const void *site; /* in the code */
};

struct message {
    uint64_t value;
    const struct view *released; /* NULL = nothing comes with it */
};

/* Whatever steps can be about: an atomic location, a lock, the read sections, the clock. */
struct object {
    uint64_t stamp;
    const void *address;
    /* Steps of this run, by number; -1 = none. Calls count as reads, returns as writes of each
     * thread. */
    int last_write, last_lock;
    int last_read[EXPLORE_THREADS], last_write_of[EXPLORE_THREADS];
    int holder;            /* of a lock, -1 = nobody */
    struct view *released; /* with a lock */
    unsigned location;     /* index in views */
    unsigned size;
    struct message *messages;
    unsigned count, room;
    unsigned last_seq_cst; /* message */
};

/* ---- schedule.c: the threads, and what steps are about ---- */
struct thread {
    unsigned number;
    struct view view;
    struct step next; /* what it is about to do */
    bool finished;
    unsigned sections; /* nested read sections */
};

extern struct thread *explore_running; /* NULL: no run; accesses go to memory as they are */
extern uint64_t explore_stamp;
/* ---- run.c ---- */
extern enum explore_mode explore_mode;
extern unsigned explore_stale; /* loads that may read something older, in a run */
extern bool explore_shows;     /* what fails is shown to somebody: places are looked up */

/* ---- schedule.c ---- */

/* The calling thread is about to do this: returns when it is its turn. */
void explore_reach(enum step_kind kind, const void *object, const void *site);
/* Choose one of `n` ways for the step that was reached last; 0 first. */
unsigned explore_choose(unsigned n);
/* End the run: it has failed. */
_Noreturn void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct object *explore_object(const void *address);
/* The running thread begins to wait for a grace period; and ends a section that one waits for. */
void explore_grace_begun(void);
void explore_section_ended(unsigned waiter);
/* Whether a thread can take its next step (platform.c). */
bool explore_is_blocked(const struct thread *thread);

/* ---- atomics.c ---- */
void view_join(struct view *into, const struct view *other);
/* A copy that lasts as long as the run. */
struct view *view_keep(const struct view *view);
void atomics_start_run(void);
/* Bytes were written by other means: their messages are void. */
void atomics_forget(struct object *object);

/* ---- memory.c ---- */
bool memory_is_shared(const void *address);
void memory_reset(void);     /* before a scenario */
void memory_start_run(void); /* before a run */
void memory_undo_run(void);  /* everything as before the run */
void memory_note_undo(void *address, size_t size);
/* An access by an instruction that is not atomic, about to happen. */
void memory_plain(void *address, size_t size, bool writes, const void *site);
void memory_atomic(void *address, size_t size, bool writes, const void *site);
void *memory_scratch(size_t size); /* for the explorer itself, until the end of the run */

/* ---- platform.c ---- */
void platform_start_run(void);
/* The clock before each run; `moves` = a thread sets it, so that reading it is a step. */
void platform_start_clock(int64_t clock, bool moves);

/* ---- report.c ---- */
/* Where in the sources a place in the code is; static memory. */
const char *report_place(const void *site);
void report_steps(FILE *file);
/* The steps of this run. */
int report_next_step(int at, unsigned *thread, struct step *step);

#endif
