/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/pace.h"

void ms_pace_init(struct ms_pace *pace, double share)
{
    *pace = (struct ms_pace){.share = share, .least = (uint64_t)(share * (double)MS_REUSE_ALL)};
}

void ms_pace_forget(struct ms_pace *pace)
{
    pace->run_reads = pace->run_sampled = pace->paused = pace->passed = 0;
}

uint64_t ms_pace_reads(const struct ms_pace *pace, uint64_t reads)
{
    return (pace->pauses ? pace->paused : reads) - pace->passed;
}

static bool is_above(const struct ms_pace *pace, const struct ms_reuse *reuse)
{
    return reuse->threshold > pace->least;
}

static void begin_pause(struct ms_pace *pace, uint64_t reads)
{
    pace->pauses = true;
    pace->paused = reads;
}

static void go_on(struct ms_pace *pace, uint64_t reads)
{
    pace->pauses = false;
    pace->passed += reads - pace->paused;
}

/* References from one pause to the next. */
static double run_of(const struct ms_reuse *reuse)
{
    return (double)MS_PACE_RUN * reuse->count;
}

/* References that may still be taken into the sample. */
static double allowance_left(const struct ms_pace *pace, uint64_t reads, uint64_t sampled)
{
    return MS_PACE_ALLOWANCE + pace->share * (double)reads - (double)sampled;
}

/* Above the share. */
static void keep_to_allowance(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads,
                              uint64_t sampled)
{
    const double left = allowance_left(pace, reads, sampled);

    if (pace->pauses) {
        if (left >= run_of(reuse))
            go_on(pace, reads);
    } else if (left <= 0) {
        if (reuse->count > MS_PACE_FEW)
            ms_reuse_lower(reuse, pace->least);
        else
            begin_pause(pace, reads);
    }
}

static void begin_run(struct ms_pace *pace, uint64_t reads, uint64_t sampled)
{
    pace->run_reads = reads;
    pace->run_sampled = sampled;
}

/* At the share. */
static void keep_turns(struct ms_pace *pace, const struct ms_reuse *reuse, uint64_t reads,
                       uint64_t sampled)
{
    const double part = pace->share > MS_PACE_PART ? pace->share : MS_PACE_PART;

    if (pace->pauses) {
        if ((double)(pace->paused - pace->run_reads) > part * (double)(reads - pace->run_reads))
            return;
        go_on(pace, reads);
        begin_run(pace, reads, sampled);
    } else if (part < 1 && (double)(sampled - pace->run_sampled) >= run_of(reuse)) {
        begin_pause(pace, reads);
    }
}

void ms_pace_keep(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads, uint64_t sampled)
{
    while (reuse->count > MS_PACE_ENOUGH && is_above(pace, reuse))
        ms_reuse_lower(reuse, pace->least);
    if (is_above(pace, reuse)) {
        keep_to_allowance(pace, reuse, reads, sampled);
        if (!pace->pauses)
            begin_run(pace, reads, sampled);
    } else {
        keep_turns(pace, reuse, reads, sampled);
    }
}
