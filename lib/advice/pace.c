/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/pace.h"

void ms_pace_init(struct ms_pace *pace, double share)
{
    *pace = (struct ms_pace){.share = share, .least = (uint64_t)(share * (double)MS_REUSE_ALL)};
}

void ms_pace_forget(struct ms_pace *pace)
{
    pace->paused = pace->passed = 0;
}

uint64_t ms_pace_reads(const struct ms_pace *pace, uint64_t reads)
{
    return (pace->pauses ? pace->paused : reads) - pace->passed;
}

/* References that may still be taken into the sample. */
static double allowance_left(const struct ms_pace *pace, uint64_t reads, uint64_t sampled)
{
    return MS_PACE_ALLOWANCE + pace->share * (double)reads - (double)sampled;
}

static void go_on(struct ms_pace *pace, uint64_t reads)
{
    pace->pauses = false;
    pace->passed += reads - pace->paused;
}

void ms_pace_keep(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads, uint64_t sampled)
{
    const double left = allowance_left(pace, reads, sampled);

    while (reuse->count > MS_PACE_ENOUGH && reuse->threshold > pace->least)
        ms_reuse_lower(reuse, pace->least);
    if (pace->pauses) {
        if (left >= (double)MS_PACE_RUN * reuse->count || reuse->threshold <= pace->least)
            go_on(pace, reads);
    } else if (left <= 0 && reuse->threshold > pace->least) {
        if (reuse->count > MS_PACE_FEW) {
            ms_reuse_lower(reuse, pace->least);
        } else {
            pace->pauses = true;
            pace->paused = reads;
        }
    }
}
