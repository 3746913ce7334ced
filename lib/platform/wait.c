/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/wait.h"

#include "platform/clock.h"

#include <unistd.h>

/* How soon a wait ends that is stopped. */
#define LOOK_US 5000
/* How often who waits for a load is asked whether to wait on. */
#define ASK_US 50000

__thread void (*ms_before_wait)(void);
__thread struct ms_wait_bound ms_wait_bound = {MS_WAIT_UNBOUNDED, MS_WAIT_UNBOUNDED, NULL, 0};

__thread struct ms_wait_asked *ms_wait_asked;

void ms_wait_us(uint32_t us)
{
    ms_wait_begins();
    usleep(us);
}

/* ---- By the caller's own wish ---- */

void ms_wait_bind(int64_t allowed_us, const int64_t *stop)
{
    ms_wait_bound = (struct ms_wait_bound){allowed_us, MS_WAIT_UNBOUNDED, stop, 0};
}

int64_t ms_wait_deadline_from(int64_t now_us, int64_t deadline_us)
{
    struct ms_wait_bound *const bound = &ms_wait_bound;

    if (ms_wait_is_stopped())
        return 0;
    if (bound->until_us == MS_WAIT_UNBOUNDED && bound->allowed_us != MS_WAIT_UNBOUNDED)
        bound->until_us = now_us + bound->allowed_us;
    return deadline_us < bound->until_us ? deadline_us : bound->until_us;
}

int64_t ms_wait_deadline(int64_t deadline_us)
{
    return ms_wait_deadline_from(ms_clock_real_us(), deadline_us);
}

bool ms_wait_was_cut(void)
{
    const int64_t until_us = ms_wait_bound.until_us;

    return ms_wait_is_stopped() || (ms_wait_asked != NULL && ms_wait_asked->gave_up) ||
           (until_us != MS_WAIT_UNBOUNDED && ms_clock_real_us() >= until_us);
}

bool ms_wait_is_over(int64_t deadline_us)
{
    return ms_wait_is_stopped() || ms_clock_real_us() >= deadline_us;
}

/* In so many microseconds, or at the deadline if that is sooner. */
static int64_t soon(int64_t us, int64_t deadline_us)
{
    const int64_t then_us = ms_clock_real_us() + us;

    return then_us < deadline_us ? then_us : deadline_us;
}

int64_t ms_wait_look(int64_t deadline_us)
{
    if (ms_likely(ms_wait_bound.stop == NULL))
        return deadline_us;
    return soon(LOOK_US, deadline_us);
}

/* ---- Waits for loads ---- */

int64_t ms_wait_until_asking(int64_t deadline_us)
{
    const struct ms_wait_asked *const asked = ms_wait_asked;

    if (asked == NULL)
        return deadline_us;
    /* Who did not want to wait on does not want to wait for what comes next in the same call. */
    return soon(asked->gave_up ? 0 : ASK_US, deadline_us);
}

bool ms_wait_goes_on(int64_t deadline_us)
{
    struct ms_wait_asked *const asked = ms_wait_asked;

    if (asked == NULL || ms_wait_is_over(deadline_us))
        return false;
    asked->gave_up = !asked->goes_on(asked->context);
    return !asked->gave_up;
}
