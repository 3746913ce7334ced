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

static void begin_run(struct ms_pace *pace, uint64_t reads, uint64_t sampled)
{
    pace->run_reads = reads;
    pace->run_sampled = sampled;
}

/* References from one pause to the next. */
static double run_of(const struct ms_reuse *reuse)
{
    return (double)MS_PACE_RUN * reuse->count;
}

/* Of the time, while the share's keys are followed. */
static double part_of(const struct ms_pace *pace)
{
    return pace->share > MS_PACE_PART ? pace->share : MS_PACE_PART;
}

/* References that may be taken into the sample above the share, of so many reads. */
static double allowance_of(const struct ms_pace *pace, uint64_t reads)
{
    const double share = pace->share * (double)reads;
    const double first = share < MS_PACE_ALLOWANCE ? share : MS_PACE_ALLOWANCE;

    return MS_PACE_ALLOWANCE + first + part_of(pace) * (share - first);
}

/* How many reads there are when so many references may be taken. */
static double reads_until(const struct ms_pace *pace, double references)
{
    const double first = (references - MS_PACE_ALLOWANCE) / pace->share;
    const double most = MS_PACE_ALLOWANCE / pace->share;

    return first < most ? first : most + (first - most) / part_of(pace);
}

uint64_t ms_pace_left(const struct ms_pace *pace, const struct ms_reuse *reuse, uint64_t reads,
                      uint64_t sampled)
{
    const double run = (double)(pace->paused - pace->run_reads);
    const double left = is_above(pace, reuse)
                            ? reads_until(pace, (double)sampled + run_of(reuse)) - (double)reads
                            : run / part_of(pace) - (double)(reads - pace->run_reads);

    return left > 0 ? (uint64_t)left + 1 : 0;
}

static void keep_pause(struct ms_pace *pace, const struct ms_reuse *reuse, uint64_t reads,
                       uint64_t sampled)
{
    if (ms_pace_left(pace, reuse, reads, sampled) != 0)
        return;
    pace->pauses = false;
    pace->passed += reads - pace->paused;
    begin_run(pace, reads, sampled);
}

/* Above the share, in no pause. */
static void keep_to_allowance(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads,
                              uint64_t sampled)
{
    begin_run(pace, reads, sampled);
    if (allowance_of(pace, reads) > (double)sampled)
        return;
    if (reuse->count > MS_PACE_FEW)
        ms_reuse_lower(reuse, pace->least);
    else
        begin_pause(pace, reads);
}

/* At the share, in no pause. */
static void keep_run(struct ms_pace *pace, const struct ms_reuse *reuse, uint64_t reads,
                     uint64_t sampled)
{
    if (part_of(pace) < 1 && (double)(sampled - pace->run_sampled) >= run_of(reuse))
        begin_pause(pace, reads);
}

void ms_pace_keep(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads, uint64_t sampled)
{
    while (reuse->count > MS_PACE_ENOUGH && is_above(pace, reuse))
        ms_reuse_lower(reuse, pace->least);
    if (pace->pauses)
        keep_pause(pace, reuse, reads, sampled);
    else if (is_above(pace, reuse))
        keep_to_allowance(pace, reuse, reads, sampled);
    else
        keep_run(pace, reuse, reads, sampled);
}
